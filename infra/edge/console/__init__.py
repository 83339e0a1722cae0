"""The operator console: what the system is doing, as a page that follows it, and as metrics. It changes nothing."""
