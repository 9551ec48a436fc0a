// The page for when there is no network: what the code alone proves, against the lists kept on this phone. The best it
// ever says is "authentic; status not checked since …", on a panel that is never green.
(function () {
  "use strict";

  const page = document.getElementById("offline");
  if (!page || !self.Phone) return;
  const OUTCOMES = {
    unreadable: { readable: "failed" },
    "unknown-key": { readable: "passed", "issuer-known": "failed" },
    forged: { readable: "passed", "issuer-known": "passed", authentic: "failed" },
  };

  function verdict(name, values) {
    page.querySelectorAll("[data-verdict]").forEach((one) => (one.hidden = one.dataset.verdict !== name));
    page.querySelector("[data-facts]").hidden = !values;
    Phone.fill(page, values || {});
    page.dataset.verdictShown = name;
  }

  function mark(outcomes) {
    Object.keys(outcomes).forEach((name) => {
      const line = page.querySelector('[data-check="' + name + '"]');
      const outcome = outcomes[name];
      line.className = "check is-" + outcome;
      line.querySelectorAll("[data-outcome]").forEach((part) => (part.hidden = part.dataset.outcome !== outcome));
    });
    page.querySelector("[data-checks]").hidden = false;
  }

  function say(name) {
    page.querySelectorAll('[data-say="' + name + '"]').forEach((part) => (part.hidden = false));
  }

  // "3 天" / "3 days": rounded down, with the words that stand on the page.
  function age(ms) {
    const minutes = Math.floor(ms / 60000);
    const [unit, count] = minutes < 120 ? ["minutes", minutes] : minutes < 2880
      ? ["hours", Math.floor(minutes / 60)] : ["days", Math.floor(minutes / 1440)];
    return count + " " + page.dataset[unit];
  }

  function facts(token, key) {
    const kind = token.number.length === 16 ? "qualification" : "skill_level";
    const level = page.querySelector('[data-level="' + kind + "-" + token.level + '"]');
    return {
      name: token.name, number: token.number, occupation: token.occupation, tail: token.idTail,
      level: level ? level.textContent : token.level, issuer: key ? Phone.ownerName(key) : "",
      signed: Phone.time(token.issuedAt),
    };
  }

  // What the list of states says, on top of a signature that holds.
  function stood(token, kept, values) {
    if (!kept) return "none";
    Object.assign(values, { "pack-age": age(kept.manifest.ageMs), "pack-at": Phone.time(new Date(kept.manifest.issued_at)) });
    const state = kept.find(token.number);
    if (state === "revoked" || state === "void" || state === "replaced") return state;
    if (kept.manifest.expired) return "old";
    return state;
  }

  async function decide(list) {
    const result = await Proof.checkToken(Phone.digits(), list);
    const token = result.token;
    mark(OUTCOMES[result.outcome] || { readable: "passed", "issuer-known": "passed", authentic: "passed" });
    if (!token) return verdict("unreadable");
    const values = facts(token, result.key);
    values["list-age"] = age(list.ageMs);
    values["list-at"] = Phone.time(new Date(list.issued_at));
    if (result.outcome === "unknown-key") {
      const newer = token.issuedAt > new Date(list.issued_at);
      return newer || list.expired ? (say("unknown-key"), verdict("unavailable")) : verdict("unconfirmed");
    }
    if (result.outcome === "forged") return verdict("unconfirmed");
    if (result.outcome === "not-here") return verdict("unavailable");
    if (result.outcome !== "authentic") mark({ "key-in-force": "failed" });
    if (result.outcome === "doubtful") return say("doubtful"), verdict("unavailable", values);
    if (result.outcome !== "authentic") return say("key"), verdict("unconfirmed");
    if (token.scanCode !== Phone.scanCode()) return say("code"), verdict("unconfirmed");
    mark({ "key-in-force": "passed" });
    const state = stood(token, await Phone.pack(), values);
    const listed = ["revoked", "suspended", "replaced", "void"].includes(state);
    if (listed) mark({ status: "failed" });
    if (state === "void") return say("void"), verdict("unconfirmed");
    if (listed) return say("listed"), verdict(state, values);
    if (list.expired) return say("old-list"), verdict("unavailable", values);
    say("status-" + state);
    return verdict("authentic", values);
  }

  async function run() {
    if (!Phone.scanCode()) return;
    try {
      if (!Phone.digits() || !Phone.able()) throw Proof.refuse("no-code");
      await decide(await Phone.trust());
    } catch (error) {
      say(error.why === "no-list" ? "no-list" : error.why === "no-code" ? "no-code" : "bad-list");
      verdict("unavailable");
    } finally {
      page.dataset.done = "yes";
    }
  }

  page.querySelectorAll("[data-again]").forEach((button) => button.addEventListener("click", () => location.reload()));
  self.addEventListener("online", () => say("online"));
  run();
})();
