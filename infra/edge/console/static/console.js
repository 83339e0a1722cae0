"use strict";
// Without this script the page shows the system as of the last load.
const live = document.getElementById("live");
const line = document.getElementById("line");
const events = new EventSource("/events");
events.addEventListener("overview", (event) => {
  const scrolled = live.querySelector(".scroll");
  const left = scrolled ? scrolled.scrollLeft : 0;
  const hadFocus = scrolled && document.activeElement === scrolled;
  live.innerHTML = event.data;
  const table = live.querySelector(".scroll");
  if (table) {
    table.scrollLeft = left;
    if (hadFocus) table.focus();
  }
  line.textContent = "live, " + new Date().toLocaleTimeString();
  line.className = "live";
});
events.addEventListener("error", () => {
  line.textContent = "no connection to the console; trying again";
  line.className = "lost";
});
