// What a signed code says and whether the signature holds. Pure: no page, no storage, no network, no clock.
// The formats are those of src/verify/proof/{digits,token,jws,trust,window}.py. ES2019, so no BigInt.
(function (root) {
  "use strict";

  const CHARACTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const BASE_36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const ECDSA = { name: "ECDSA", hash: "SHA-256", namedCurve: "P-256" };
  const SKEW_MS = 300000;

  function refuse(why) {
    const error = new Error(why);
    error.why = why;
    return error;
  }

  function need(good, why) {
    if (!good) throw refuse(why || "unreadable");
  }

  // --- digits: each 22 bytes as 53 digits, the last block as wide as it must be ---

  function widthOf(size) {
    return size === 22 ? 53 : Math.ceil(size * 8 * Math.log10(2));
  }

  function decodeDigits(text) {
    need(/^[0-9]{1,1024}$/.test(text));
    const bytes = [];
    for (let at = 0; at < text.length; at += 53) {
      const block = text.slice(at, at + 53);
      let size = 1;
      while (size < 22 && widthOf(size) < block.length) size++;
      need(widthOf(size) === block.length);
      const value = new Array(size).fill(0);
      for (const digit of block) {
        let carry = Number(digit);
        for (let i = size - 1; i >= 0; i--) {
          carry += value[i] * 10;
          value[i] = carry & 255;
          carry >>= 8;
        }
        need(carry === 0);
      }
      bytes.push(...value);
    }
    return Uint8Array.from(bytes);
  }

  function toDecimal(bytes, width) {
    const left = Array.from(bytes);
    let text = "";
    for (let n = 0; n < width; n++) {
      let rest = 0;
      for (let i = 0; i < left.length; i++) {
        rest = rest * 256 + left[i];
        left[i] = Math.floor(rest / 10);
        rest %= 10;
      }
      text = rest + text;
    }
    need(left.every((byte) => byte === 0));
    return text;
  }

  // --- the token: one layout, shortest heads only, nothing left over ---

  function readItem(data, at) {
    need(at < data.length);
    const major = data[at] >> 5;
    const short = data[at] & 31;
    const size = short < 24 ? 0 : 1 << (short - 24);
    need(short < 28 && at + size < data.length);
    const raw = size ? data.slice(at + 1, at + 1 + size) : data.slice(at, at + 1).map((byte) => byte & 31);
    const value = raw.reduce((sum, byte) => sum * 256 + byte, 0);
    need(size === 0 || value >= (size === 1 ? 24 : Math.pow(2, size * 4)));
    at += 1 + size;
    if (major === 0) return { major, raw, value, at };
    need((major === 2 || major === 3) && at + value <= data.length);
    return { major, raw: data.slice(at, at + value), value, at: at + value };
  }

  function asText(item) {
    need(item.major === 3);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(item.raw);
    } catch (_) {
      throw refuse("unreadable");
    }
  }

  function asNumber(item) {
    if (item.major === 3) return asText(item);
    if (item.major === 0) return toDecimal(item.raw, 16);
    need(item.raw.length === 10);
    const text = toDecimal(item.raw, 25);
    const letters = Number(text.slice(0, 5));
    need(letters < 1296);
    const digits = text.slice(5);
    return BASE_36[Math.floor(letters / 36)] + digits.slice(0, 14) + BASE_36[letters % 36] + digits.slice(14);
  }

  function asScanCode(bytes) {
    let text = "";
    for (let bit = 0; bit < 80; bit += 5) {
      const two = (bytes[bit >> 3] << 8) | (bytes[(bit >> 3) + 1] || 0);
      text += CHARACTERS[(two >> (11 - (bit & 7))) & 31];
    }
    return text;
  }

  function equal(data, at, wanted) {
    return wanted.every((byte, i) => data[at + i] === byte);
  }

  function hex(bytes) {
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function parseToken(data) {
    const size = data.length > 14 ? data[13] : 0;
    const end = 14 + size;
    need(data.length <= 172 && size >= 28 && size <= 92 && data.length === end + 66);
    need(equal(data, 0, [0x84, 0x49, 0xa2, 0x01]) && equal(data, 5, [0x04, 0x44]) && equal(data, 11, [0xa0, 0x58]));
    need((data[4] === 0x26 || data[4] === 0x32) && equal(data, end, [0x58, 0x40]));
    const payload = data.slice(14, end);
    need(equal(payload, 0, [0xa3, 0x06, 0x1a]) && equal(payload, 7, [0x07, 0x4a]));
    need(equal(payload, 19, [0x3a, 0x00, 0x01, 0x00, 0x00, 0x85]));
    const parts = [];
    let at = 25;
    for (let i = 0; i < 5; i++) {
      parts.push(readItem(payload, at));
      at = parts[i].at;
    }
    need(at === payload.length && parts[2].major === 0 && parts[3].major === 0);
    const occupation = toDecimal(parts[2].raw, 7);
    const level = [null, "1", "2", "3", "4", "5", "special", "chief"][parts[3].value];
    need(level);
    return {
      algorithm: data[4] === 0x26 ? "ES256" : "Ed25519",
      kid: hex(data.slice(7, 11)),
      issuedAt: new Date(((payload[3] * 256 + payload[4]) * 65536 + payload[5] * 256 + payload[6]) * 1000),
      scanCode: asScanCode(payload.slice(9, 19)),
      number: asNumber(parts[0]),
      name: asText(parts[1]),
      occupation: occupation.replace(/(.)(..)(..)(..)/, "$1-$2-$3-$4"),
      level,
      idTail: asText(parts[4]),
      signature: data.slice(end + 2),
      signed: Uint8Array.from([
        ...[0x84, 0x6a], ...utf8("Signature1"), ...data.slice(1, 11), 0x40, ...data.slice(12, end),
      ]),
    };
  }

  // --- keys and signatures ---

  function utf8(text) {
    return new TextEncoder().encode(text);
  }

  function fromBase64url(text) {
    need(/^[\w-]*$/.test(text));
    const raw = root.atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(raw, (c) => c.charCodeAt(0));
  }

  function toBase64url(bytes) {
    let text = "";
    bytes.forEach((byte) => (text += String.fromCharCode(byte)));
    return root.btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  async function sha256(bytes) {
    return new Uint8Array(await root.crypto.subtle.digest("SHA-256", bytes));
  }

  // The whole thumbprint (RFC 7638); its first 8 characters are the key's id.
  async function thumbprint(jwk) {
    return hex(await sha256(utf8(JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }))));
  }

  async function holds(jwk, message, signature) {
    const bare = { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y };
    const key = await root.crypto.subtle.importKey("jwk", bare, ECDSA, false, ["verify"]);
    return root.crypto.subtle.verify(ECDSA, key, signature, message);
  }

  function headerOf(jws) {
    return JSON.parse(new TextDecoder().decode(fromBase64url(jws.protected)));
  }

  function kidOf(text) {
    return headerOf(JSON.parse(text)).kid;
  }

  // A flattened JWS as JSON text, signed by one of `roots` (public JWKs): its payload.
  async function openJws(text, roots, type) {
    const jws = JSON.parse(text);
    const header = headerOf(jws);
    need(header.alg === "ES256" && header.typ === type && !header.crit);
    let rootKey = null;
    for (const jwk of roots) if ((await thumbprint(jwk)).slice(0, 8) === header.kid) rootKey = jwk;
    need(rootKey, "other-root");
    const good = await holds(rootKey, utf8(jws.protected + "." + jws.payload), fromBase64url(jws.signature));
    need(good, "bad-list");
    return JSON.parse(new TextDecoder().decode(fromBase64url(jws.payload)));
  }

  function claimedRoots(text) {
    return rootsOf(JSON.parse(new TextDecoder().decode(fromBase64url(JSON.parse(text).payload))));
  }

  function rootsOf(list) {
    return list.keys.filter((k) => k.purpose === "root" && k.state !== "compromised").map((k) => k.jwk);
  }

  // The operator's keys for daily statements: the root names them in the trust list and signs nothing else.
  function sayersOf(list) {
    const own = list.keys.filter((k) => k.purpose === "statement" && k.owner === "operator" && k.alg === "ES256");
    return own.filter((k) => !k.compromised_at);
  }

  // How old a signed list is; null when it comes from the future.
  function ageOf(list, now) {
    const age = now - new Date(list.issued_at);
    return age < -SKEW_MS ? null : Math.max(0, age);
  }

  // What a key's window says of a signature made at `at`: see window.py.
  function standing(key, at) {
    if (key.compromised_at && at >= new Date(key.compromised_at)) return "compromised";
    // A token tells whole seconds: one of the key's first second was not made before it.
    if (!key.active_from || at < Math.floor(new Date(key.active_from) / 1000) * 1000) return "not-yet";
    if (key.active_to && at >= new Date(key.active_to)) return "ended";
    return "in-force";
  }

  // The checks of contract.md that need no register. `outcome` is the first that failed, else "authentic".
  async function checkToken(digits, list) {
    let token;
    try {
      token = parseToken(decodeDigits(digits));
    } catch (_) {
      return { outcome: "unreadable", token: null, key: null, standing: null };
    }
    const key = list.keys.find((k) => k.kid === token.kid && k.purpose === "token") || null;
    if (!key) return { outcome: "unknown-key", token, key, standing: null };
    if (key.alg !== "ES256") return { outcome: "not-here", token, key, standing: null };
    const own = (await thumbprint(key.jwk)).slice(0, 8) === key.kid && token.algorithm === "ES256";
    if (!own || !(await holds(key.jwk, token.signed, token.signature))) {
      return { outcome: "forged", token, key, standing: null };
    }
    const window = standing(key, token.issuedAt);
    const outcome = window === "in-force" ? (key.compromised_at ? "doubtful" : "authentic") : "key-" + window;
    return { outcome, token, key, standing: window };
  }

  root.Proof = {
    decodeDigits, parseToken, openJws, claimedRoots, kidOf, rootsOf, sayersOf, ageOf, standing, checkToken, thumbprint, sha256,
    toBase64url, fromBase64url, refuse,
  };
})(typeof self === "undefined" ? globalThis : self);
