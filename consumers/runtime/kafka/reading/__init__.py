"""Reads records whatever a stranger wrote: see docs/internals/reading-from-kafka.md."""
