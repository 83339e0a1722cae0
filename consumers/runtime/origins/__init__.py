"""Checks that events which move money were decided by the room whose events they are.

Decision: docs/decisions, 036.
"""
