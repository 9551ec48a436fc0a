// The page of a share link: a button that copies the address, where the browser lets one. Without it the address is
// selected by hand.
(function () {
  "use strict";

  const box = document.querySelector("[data-copy]");
  if (!box) return;
  const field = document.getElementById(box.dataset.copy);
  const said = box.querySelector("[data-copied]");

  function bySelection() {
    field.focus();
    field.setSelectionRange(0, field.value.length);
    return document.execCommand("copy");
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText(field.value);
      return true;
    } catch (refused) {
      return bySelection();
    }
  }

  box.querySelector("button").addEventListener("click", () => copy().then((done) => (said.hidden = !done)));
  field.addEventListener("focus", () => field.select());
  box.hidden = false;
})();
