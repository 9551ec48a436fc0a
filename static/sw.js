// The service worker: keeps the shell (styles, scripts, signs, the offline page) and gives the offline page when a
// scanned address cannot be reached. It never keeps an answer of the register. The server puts a line in front of this
// file: const SHELL = {version, files, pages}.
"use strict";

const CACHE = "verify-shell-" + SHELL.version;
const PATIENCE_MS = 8000;
const ANY = { ignoreVary: true };

self.addEventListener("install", (event) => {
  const wanted = SHELL.files.concat(Object.values(SHELL.pages)).map((url) => new Request(url, { cache: "reload" }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(wanted)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = (names) => names.filter((name) => name.startsWith("verify-shell-") && name !== CACHE);
  const clean = caches.keys().then((names) => Promise.all(old(names).map((name) => caches.delete(name))));
  event.waitUntil(clean.then(() => self.clients.claim()));
});

// A page of the first language that the reader asked for: by the address, else by the browser.
function offlinePage(url) {
  const asked = url.searchParams.get("lang") || self.navigator.language || "zh";
  return SHELL.pages[asked.startsWith("zh") ? "zh" : "en"];
}

async function navigate(request, url) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  try {
    return await fetch(request, { signal: stop.signal });
  } catch (error) {
    const page = await caches.match(offlinePage(url), ANY);
    if (page) return page;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) return;
  if (event.request.mode === "navigate") {
    if (url.pathname === "/" || /^\/v\//i.test(url.pathname)) event.respondWith(navigate(event.request, url));
  } else if (SHELL.files.includes(url.pathname)) {
    event.respondWith(caches.match(url.pathname, ANY).then((kept) => kept || fetch(event.request)));
  }
});
