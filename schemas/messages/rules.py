"""The version of the decision rules, as data in each partition of each topic that a room decides about."""

from __future__ import annotations

from schemas.messages.base import Message


class AdoptRules(Message, frozen=True):
    """What follows in this partition is decided by rules of this version, or of a later one that is in force already.

    A partition without one is at version 0. Versions stand in topology/rules.py.
    """

    version: int
