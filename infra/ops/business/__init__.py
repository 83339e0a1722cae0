"""Business lag: what waits inside the shop, beside what waits in the log."""
