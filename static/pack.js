// The status pack: which issued numbers were not valid. Format and bounds: src/verify/proof/pack.py. Pure.
(function (root) {
  "use strict";

  const PACK = [0x56, 0x53, 0x50, 1];
  const DELTA = [0x56, 0x53, 0x44, 1];
  const STATES = ["revoked", "suspended", "replaced", "void", "clear"];
  const MAX_BYTES = 33554432;
  const MAX_RICE = 30;

  function need(good) {
    if (!good) throw new Error("unreadable");
  }

  // The parameter that makes a list shortest; both languages must choose the same.
  function rice(gaps) {
    const mean = Math.floor(gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length);
    const about = 32 - Math.clz32(Math.floor((mean * 177) / 256));
    let best = -1;
    let least = Infinity;
    for (let k = Math.max(0, about - 1); k <= Math.min(MAX_RICE, about + 1); k++) {
      let cost = k * gaps.length;
      for (const gap of gaps) cost += Math.floor(gap / Math.pow(2, k));
      if (cost < least) {
        best = k;
        least = cost;
      }
    }
    return best;
  }

  // --- reading ---

  function reader(data, magic) {
    need(data.length <= MAX_BYTES && magic.every((byte, i) => data[i] === byte));
    let at = magic.length;
    const byte = () => {
      need(at < data.length);
      return data[at++];
    };
    const varint = () => {
      let value = 0;
      for (let n = 0; n < 8; n++) {
        const next = byte();
        value += (next & 127) * Math.pow(128, n);
        if (next < 128) {
          need(next !== 0 || n === 0);
          return value;
        }
      }
      throw new Error("unreadable");
    };
    const gaps = (count, k) => {
      const found = [];
      let bit = at * 8;
      const end = data.length * 8;
      const next = () => {
        need(bit < end);
        const one = (data[bit >> 3] >> (7 - (bit & 7))) & 1;
        bit++;
        return one;
      };
      for (let i = 0; i < count; i++) {
        let gap = 0;
        while (next()) gap++;
        for (let j = 0; j < k; j++) gap = gap * 2 + next();
        found.push(gap);
      }
      while (bit & 7) need(next() === 0);
      at = bit / 8;
      return found;
    };
    return { byte, varint, gaps, done: () => at === data.length };
  }

  function readSeries(from, isDelta) {
    const next = from.varint();
    const first = from.byte();
    const flags = (first & 15) | (from.byte() << 4);
    const width = first >> 4;
    need(width >= 1 && width <= 9 && next >= 1 && next <= Math.pow(10, width) && flags < (isDelta ? 32 : 16));
    const states = new Map();
    STATES.forEach((state, bit) => {
      if (!((flags >> bit) & 1)) return;
      const count = from.varint();
      const k = from.byte();
      need(count >= 1 && count < next && k <= MAX_RICE);
      const gaps = from.gaps(count, k);
      need(k === rice(gaps));
      let serial = 0;
      for (const gap of gaps) {
        serial += gap + 1;
        need(serial < next && !states.has(serial));
        states.set(serial, state);
      }
    });
    return { width, next, states };
  }

  function decode(data, magic) {
    const from = reader(data, magic);
    const isDelta = magic === DELTA;
    const pack = isDelta ? { baseSeq: from.varint() } : {};
    pack.seq = from.varint();
    pack.issuedAt = from.varint();
    pack.maxAge = from.varint();
    pack.series = new Map();
    let before = "";
    for (let count = from.varint(); count > 0; count--) {
      const shared = from.byte();
      let further = from.byte();
      need(shared <= before.length && shared + further <= 32);
      let prefix = before.slice(0, shared);
      while (further-- > 0) prefix += String.fromCharCode(from.byte());
      need(/^[0-9A-Za-z]+$/.test(prefix) && prefix > before && before[shared] !== prefix[shared]);
      pack.series.set(prefix, readSeries(from, isDelta));
      before = prefix;
    }
    need(from.done() && pack.maxAge >= 1);
    return pack;
  }

  // --- writing ---

  function writeVarint(out, value) {
    while (value > 127) {
      out.push((value % 128) + 128);
      value = Math.floor(value / 128);
    }
    out.push(value);
  }

  function writeGaps(out, gaps, k) {
    let byte = 0;
    let used = 0;
    const put = (bit) => {
      byte = (byte << 1) | bit;
      if (++used === 8) {
        out.push(byte);
        byte = used = 0;
      }
    };
    for (const gap of gaps) {
      for (let ones = gap >>> k; ones > 0; ones--) put(1);
      put(0);
      for (let j = k - 1; j >= 0; j--) put((gap >>> j) & 1);
    }
    while (used) put(0);
  }

  function encodePack(pack) {
    const out = PACK.slice();
    [pack.seq, pack.issuedAt, pack.maxAge, pack.series.size].forEach((value) => writeVarint(out, value));
    let before = "";
    for (const prefix of Array.from(pack.series.keys()).sort()) {
      const one = pack.series.get(prefix);
      let shared = 0;
      while (shared < before.length && before[shared] === prefix[shared]) shared++;
      out.push(shared, prefix.length - shared);
      for (let i = shared; i < prefix.length; i++) out.push(prefix.charCodeAt(i));
      writeVarint(out, one.next);
      const lists = STATES.map(() => []);
      Array.from(one.states.keys()).sort((a, b) => a - b)
        .forEach((serial) => lists[STATES.indexOf(one.states.get(serial))].push(serial));
      const flags = lists.reduce((sum, list, bit) => sum | (list.length ? 1 << bit : 0), 0);
      out.push((one.width << 4) | (flags & 15), flags >> 4);
      for (const list of lists.filter((serials) => serials.length)) {
        const gaps = list.map((serial, i) => serial - 1 - (i ? list[i - 1] : 0));
        const k = rice(gaps);
        writeVarint(out, gaps.length);
        out.push(k);
        writeGaps(out, gaps, k);
      }
      before = prefix;
    }
    return Uint8Array.from(out);
  }

  // --- using ---

  // Changes `base`, which is of no use afterwards, into the pack that `delta` leads to.
  function applyDelta(base, delta) {
    need(delta.baseSeq === base.seq && delta.seq >= base.seq);
    delta.series.forEach((change, prefix) => {
      const one = base.series.get(prefix) || { width: change.width, next: 1, states: new Map() };
      need(one.width === change.width && one.next <= change.next);
      one.next = change.next;
      change.states.forEach((state, serial) => {
        if (state === "clear") one.states.delete(serial);
        else one.states.set(serial, state);
      });
      base.series.set(prefix, one);
    });
    return { seq: delta.seq, issuedAt: delta.issuedAt, maxAge: delta.maxAge, series: base.series };
  }

  // "revoked", "suspended", "replaced", "void"; "clear": given out and not listed; "beyond": not yet given out.
  function findNumber(pack, number) {
    for (let width = 1; width <= 9; width++) {
      const one = pack.series.get(number.slice(0, -width));
      const serial = number.slice(-width);
      if (one && one.width === width && /^[0-9]+$/.test(serial)) {
        if (Number(serial) < 1 || Number(serial) >= one.next) return "beyond";
        return one.states.get(Number(serial)) || "clear";
      }
    }
    return "beyond";
  }

  root.StatusPack = {
    decodePack: (data) => decode(data, PACK),
    decodeDelta: (data) => decode(data, DELTA),
    encodePack, applyDelta, findNumber,
  };
})(typeof self === "undefined" ? globalThis : self);
