"use strict";
// Without this script a page shows the system as of the last load.
const live = document.getElementById("live");
const line = document.getElementById("line");

// What is replaced keeps what a person was at: the place in a table that was scrolled, the focus, what is unfolded; charts stay.
const replaced = (html) => {
  const scrolled = [...live.querySelectorAll(".scroll")].map((it) => it.scrollLeft);
  const focused = [...live.querySelectorAll("a, summary, .scroll")].indexOf(document.activeElement);
  const plots = [...live.querySelectorAll("[data-plot]")];
  const unfolded = [...live.querySelectorAll("details")].map((it) => it.open);
  const done = live.querySelector(".done");
  live.innerHTML = html;
  if (done) live.prepend(done);
  plots.forEach((it) => live.querySelector(`[data-plot="${CSS.escape(it.dataset.plot)}"]`)?.replaceWith(it));
  live.querySelectorAll("details").forEach((it, place) => { it.open = unfolded[place] || false; });
  live.querySelectorAll(".scroll").forEach((it, place) => { it.scrollLeft = scrolled[place] || 0; });
  if (focused >= 0) live.querySelectorAll("a, summary, .scroll")[focused]?.focus({ preventScroll: true });
};

if (live.dataset.events) {
  const events = new EventSource(live.dataset.events);
  events.addEventListener("live", (event) => {
    replaced(event.data);
    line.textContent = "live, " + new Date().toLocaleTimeString();
    line.className = "live";
    document.dispatchEvent(new Event("live"));
  });
  events.addEventListener("error", () => {
    line.textContent = "no connection to the console; trying again";
    line.className = "lost";
  });
} else {
  line.textContent = "";
}
