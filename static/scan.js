// Live scanning with the camera, where the browser can read QR codes by itself; elsewhere the button stays hidden and
// the photo form does the same. A code of this site is opened; any other address is shown, never opened.
(function () {
  "use strict";

  const box = document.getElementById("scan");
  if (!box || !self.BarcodeDetector || !navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) return;
  const [start, stop] = [box.querySelector("[data-start]"), box.querySelector("[data-stop]")];
  const video = box.querySelector("video");
  let stream = null;

  function say(name) {
    box.querySelectorAll("[data-say]").forEach((part) => (part.hidden = part.dataset.say !== name));
  }

  function end() {
    if (stream) stream.getTracks().forEach((track) => track.stop());
    stream = null;
    video.srcObject = null;
    video.hidden = stop.hidden = true;
    start.hidden = false;
  }

  // Our own address with a scan code, or null. The scheme and host must be this page's very own.
  function ours(text) {
    let url;
    try {
      url = new URL(text);
    } catch (_) {
      return null;
    }
    const own = url.protocol === location.protocol && url.host === location.host && !url.username && !url.password;
    return own && /^\/v\/[0-9a-z-]{16,24}$/i.test(url.pathname) ? url.pathname + url.hash : null;
  }

  async function look(detector) {
    const codes = stream ? await detector.detect(video).catch(() => []) : [];
    for (const code of codes) {
      const path = ours(code.rawValue);
      if (path) {
        end();
        location.assign(path);
        return;
      }
      box.querySelector("[data-foreign]").textContent = code.rawValue.slice(0, 300);
      say("foreign");
    }
    if (stream) setTimeout(look, 150, detector);
  }

  async function begin() {
    say("");
    try {
      const detector = new self.BarcodeDetector({ formats: ["qr_code"] });
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
      video.srcObject = stream;
      video.hidden = stop.hidden = false;
      start.hidden = true;
      await video.play();
      look(detector);
    } catch (_) {
      end();
      say("refused");
    }
  }

  start.addEventListener("click", begin);
  stop.addEventListener("click", end);
  self.addEventListener("pagehide", end);
  Promise.resolve(self.BarcodeDetector.getSupportedFormats())
    .then((formats) => (box.hidden = !formats.includes("qr_code")))
    .catch(() => {});
})();
