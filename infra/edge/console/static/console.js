"use strict";
// Without this script a page shows the system as of the last load.
const live = document.getElementById("live");
const line = document.getElementById("line");

// What is replaced keeps what a person was at: the place in a table that was scrolled, and the focus.
const replaced = (html) => {
  const scrolled = [...live.querySelectorAll(".scroll")].map((it) => it.scrollLeft);
  const focused = [...live.querySelectorAll("a, .scroll")].indexOf(document.activeElement);
  const done = live.querySelector(".done");
  live.innerHTML = html;
  if (done) live.prepend(done);
  live.querySelectorAll(".scroll").forEach((it, place) => { it.scrollLeft = scrolled[place] || 0; });
  if (focused >= 0) live.querySelectorAll("a, .scroll")[focused]?.focus({ preventScroll: true });
};

if (live.dataset.events) {
  const events = new EventSource(live.dataset.events);
  events.addEventListener("live", (event) => {
    replaced(event.data);
    line.textContent = "live, " + new Date().toLocaleTimeString();
    line.className = "live";
  });
  events.addEventListener("error", () => {
    line.textContent = "no connection to the console; trying again";
    line.className = "lost";
  });
} else {
  line.textContent = "";
}
