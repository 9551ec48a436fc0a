// On a verification page: checks the signature inside the scanned code on this phone, and holds what it says against
// what the register says. The register's answer stands on the page already and is never changed from here.
(function () {
  "use strict";

  const phone = document.getElementById("phone");
  const digits = self.Phone && Phone.digits();
  if (!phone || !digits || !Phone.able()) return;

  function sameName(signed, registered) {
    if (!signed.endsWith("…")) return signed === registered;
    return registered.startsWith(signed.slice(0, -1)) && registered.length > signed.length - 1;
  }

  // What differs between the code and the page, by name. A page without an answer is not compared.
  function differences(token) {
    const page = phone.dataset;
    const found = [];
    if (token.scanCode !== Phone.scanCode()) found.push("code");
    if (!page.number) return found;
    if (token.number !== page.number) found.push("number");
    if (page.name && !sameName(token.name, page.name)) found.push("name");
    if (page.occupation && token.occupation !== page.occupation) found.push("occupation");
    if (page.level && token.level !== page.level) found.push("level");
    return found;
  }

  function tell(result) {
    const token = result.token;
    if (result.outcome === "not-here") return;
    if (["unreadable", "forged", "unknown-key", "key-not-yet", "key-ended", "key-compromised"].includes(result.outcome)) {
      Phone.show(phone, result.outcome);
      return;
    }
    const found = differences(token);
    const values = { "signed-number": token.number, "signed-name": token.name };
    found.forEach((name) => Phone.show(phone, "differs-" + name, values));
    if (found.length) {
      Phone.show(phone, phone.dataset.current === "no" && !found.includes("code") ? "earlier-copy" : "differs");
      return;
    }
    const checked = document.getElementById("phone-checked");
    if (!checked || !phone.dataset.number) return;
    Phone.fill(checked, { issuer: Phone.ownerName(result.key), signed: Phone.time(token.issuedAt) });
    checked.hidden = false;
  }

  async function check() {
    try {
      const list = await Phone.trust();
      if (list.expired) return;
      tell(await Proof.checkToken(digits, list));
    } catch (error) {
      if (error.why === "other-root" || error.why === "older-list") Phone.show(phone, "other-root");
    } finally {
      phone.dataset.done = "yes";
    }
  }

  const renew = phone.querySelector("[data-renew]");
  if (renew) {
    renew.addEventListener("click", () => {
      Phone.forgetRoots().then(() => location.reload());
    });
  }
  check();
})();
