"use strict";
// Keeps an order's page current: its changing part comes as server-sent events, and what is held counts down.
(() => {
  const box = () => document.getElementById("order");
  let waiting = null;
  function show(html) {
    // Whoever is at a button or a field of the part keeps it until they leave it.
    if (box().contains(document.activeElement)) { waiting = html; return; }
    waiting = null;
    box().outerHTML = html;
    tick();
  }
  document.addEventListener("focusout", () => setTimeout(() => { if (waiting !== null) show(waiting); }));
  function tick() {
    for (const time of document.querySelectorAll("time[data-ms]")) {
      const left = Math.max(0, Math.round((Number(time.dataset.ms) - Date.now()) / 1000));
      time.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    }
  }
  setInterval(tick, 1000);
  tick();
  if (!box() || !box().dataset.live) return;
  const source = new EventSource(box().dataset.live);
  source.onmessage = (event) => show(event.data);
  source.addEventListener("end", (event) => { source.close(); show(event.data); });
  // An answer that is no stream is not tried again by the browser.
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000); };
})();
