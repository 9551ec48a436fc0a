// What this phone keeps: the root keys it first saw, the last signed lists, and the pages for when there is no network.
// Everything here may be missing (old WebViews, insecure addresses, storage switched off); then nothing happens.
(function () {
  "use strict";

  const LISTS = "verify-lists";
  const PINS = "verify-roots";
  const LOOKED = "verify-looked";
  const HOUR_MS = 3600000;
  const memory = {};
  const html = document.documentElement;

  function able() {
    return Boolean(self.crypto && self.crypto.subtle && self.TextEncoder && self.Proof && self.fetch);
  }

  function recall(name) {
    try {
      return JSON.parse(localStorage.getItem(name)) || memory[name] || null;
    } catch (_) {
      return memory[name] || null;
    }
  }

  function keep(name, value) {
    memory[name] = value;
    try {
      localStorage.setItem(name, JSON.stringify(value));
    } catch (_) {
      // storage is full or switched off: this page remembers, the next one starts anew
    }
  }

  async function shelf() {
    try {
      return await caches.open(LISTS);
    } catch (_) {
      return null;
    }
  }

  async function load(path) {
    const reply = await fetch(path, { credentials: "omit", cache: "no-cache" });
    if (!reply.ok) throw new Error(path + ": " + reply.status);
    return reply;
  }

  // --- the trust list ---

  function pageRoots() {
    return (html.dataset.root || "").split(" ").filter(Boolean).map((pair) => {
      const [x, y] = pair.split(".");
      return { kty: "EC", crv: "P-256", x, y };
    });
  }

  // Trust on first use: the roots that the page brought, or those the list names, are pinned when it first verifies.
  // Afterwards only a list signed by a pinned root counts, and it may name the roots that follow.
  async function openTrust(text) {
    const pins = recall(PINS);
    const onPage = pageRoots();
    const roots = pins ? pins.roots : onPage.length ? onPage : Proof.claimedRoots(text);
    const list = await Proof.openJws(text, roots, "trust-list+jws");
    if (pins && list.sequence < pins.sequence) throw Proof.refuse("older-list");
    const age = Proof.ageOf(list, Date.now());
    if (age === null) throw Proof.refuse("clock");
    keep(PINS, {
      roots: Proof.rootsOf(list), sayers: Proof.sayersOf(list), sequence: list.sequence, seq: pins ? pins.seq : 0,
    });
    return Object.assign(list, { ageMs: age, expired: age > list.max_age_s * 1000 });
  }

  // The newest list that can be had: from the network, else the one kept here. A list that does not verify is
  // refused and never kept.
  async function trust() {
    const kept = await shelf();
    let text = null;
    try {
      text = await (await load("/trust.json")).text();
    } catch (_) {
      const held = kept && (await kept.match("/trust.json"));
      if (!held) throw Proof.refuse("no-list");
      return openTrust(await held.text());
    }
    const list = await openTrust(text);
    if (kept) await kept.put("/trust.json", new Response(text)).catch(() => {});
    return list;
  }

  function forgetRoots() {
    try {
      localStorage.removeItem(PINS);
    } catch (_) {
      // nothing was kept
    }
    delete memory[PINS];
    return shelf().then((kept) => kept && kept.delete("/trust.json"));
  }

  // --- the status pack ---

  async function openManifest(text) {
    const pins = recall(PINS);
    const sayers = pins.sayers || [];
    const manifest = await Proof.openJws(text, sayers.map((key) => key.jwk), "status-pack+jws");
    const sayer = sayers.find((key) => key.kid === Proof.kidOf(text));
    if (Proof.standing(sayer, new Date(manifest.issued_at)) !== "in-force") throw Proof.refuse("other-root");
    if (manifest.seq < (pins.seq || 0)) throw Proof.refuse("older-list");
    const age = Proof.ageOf(manifest, Date.now());
    if (age === null) throw Proof.refuse("clock");
    return Object.assign(manifest, { ageMs: age, expired: age > manifest.max_age_s * 1000 });
  }

  async function digest(bytes) {
    return Proof.toBase64url(await Proof.sha256(bytes));
  }

  async function bytesOf(reply) {
    return new Uint8Array(await reply.arrayBuffer());
  }

  async function getFile(file) {
    const bytes = await bytesOf(await fetch("/packs/" + file.sha256, { credentials: "omit" }));
    if ((await digest(bytes)) !== file.sha256) throw Proof.refuse("bad-list");
    return bytes;
  }

  // Brings the kept pack to the newest one: by a delta where there is one, else whole. Either way its digest is the
  // one that was signed.
  async function refreshPack(kept) {
    const text = await (await load("/packs/status.json")).text();
    const manifest = await openManifest(text);
    const held = await kept.match("/packs/held");
    const old = held ? await bytesOf(held) : null;
    const base = old ? await digest(old) : "";
    let bytes = base === manifest.full.sha256 ? old : null;
    const step = manifest.deltas.find((delta) => delta.base === base);
    if (!bytes && step) {
      try {
        const delta = StatusPack.decodeDelta(await getFile(step));
        bytes = StatusPack.encodePack(StatusPack.applyDelta(StatusPack.decodePack(old), delta));
        if ((await digest(bytes)) !== manifest.full.sha256) bytes = null;
      } catch (_) {
        bytes = null;
      }
    }
    if (!bytes) bytes = await getFile(manifest.full);
    await kept.put("/packs/held", new Response(bytes));
    await kept.put("/packs/status.json", new Response(text));
    keep(PINS, Object.assign(recall(PINS), { seq: manifest.seq }));
  }

  // The kept pack with its signed age, or null. Signature and digest are checked again.
  async function pack() {
    try {
      const kept = await shelf();
      const manifest = await openManifest(await (await kept.match("/packs/status.json")).text());
      const bytes = await bytesOf(await kept.match("/packs/held"));
      if ((await digest(bytes)) !== manifest.full.sha256) return null;
      return { manifest, find: (number) => StatusPack.findNumber(StatusPack.decodePack(bytes), number) };
    } catch (_) {
      return null;
    }
  }

  // --- keeping up ---

  async function refresh() {
    const kept = await shelf();
    if (!kept || (navigator.connection && navigator.connection.saveData)) return;
    if (Date.now() - (recall(LOOKED) || 0) < HOUR_MS && (await kept.match("/packs/held"))) return;
    await trust();
    await refreshPack(kept);
    keep(LOOKED, Date.now());
  }

  async function settle() {
    if (!html.dataset.worker || !navigator.serviceWorker || !self.isSecureContext) return;
    try {
      await navigator.serviceWorker.register(html.dataset.worker, { scope: "/" });
      await navigator.serviceWorker.ready;
      if (able()) await refresh();
      html.dataset.settled = "yes";
    } catch (_) {
      html.dataset.settled = "no";
    }
  }

  // --- saying ---

  // China time with its offset, as the server writes it.
  function time(at) {
    const iso = new Date(at.getTime() + 8 * HOUR_MS).toISOString();
    return iso.slice(0, 10) + " " + iso.slice(11, 16) + " (UTC+8)";
  }

  function fill(within, values) {
    Object.keys(values).forEach((name) => {
      within.querySelectorAll('[data-slot="' + name + '"]').forEach((slot) => (slot.textContent = values[name]));
    });
  }

  function show(within, name, values) {
    within.querySelectorAll('[data-say="' + name + '"]').forEach((part) => {
      part.hidden = false;
      for (let up = part.parentElement; up && up !== within.parentElement; up = up.parentElement) up.hidden = false;
    });
    fill(within, values || {});
  }

  function ownerName(key) {
    return html.lang.startsWith("zh") ? key.owner_name.zh : key.owner_name.en || key.owner_name.zh;
  }

  // The digits of the scanned address. They stay behind the #, which no browser sends.
  function digits() {
    const found = /^#([0-9]{1,1024})$/.exec(location.hash);
    return found ? found[1] : "";
  }

  function scanCode() {
    const found = /^\/v\/([^/]+)\/?$/i.exec(location.pathname);
    return found ? found[1].toUpperCase().replace(/[IL]/g, "1").replace(/O/g, "0").replace(/-/g, "") : "";
  }

  self.Phone = { able, trust, pack, forgetRoots, time, show, fill, ownerName, digits, scanCode };
  if (document.readyState === "complete") settle();
  else self.addEventListener("load", settle);
})();
