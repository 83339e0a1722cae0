"""Reads records whatever a stranger wrote, through one function, `read_records.read_records`.

Why, what it reaches into and what would remove it: docs/internals/reading-from-kafka.md.
"""
