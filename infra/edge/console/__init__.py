"""The operator console: what the system is doing, as pages that follow it and as metrics, and what an operator can do about it."""
