"""The ids of a batch's orders: the batch's own UUIDv7, of which the last digits number the orders. Pure."""

from __future__ import annotations

from typing import Final

from schemas.ids import new_order_id

_NUMBER_DIGITS: Final = 4
"""Hexadecimal, so 65,536 orders; 58 random bits are left to tell the batches of a millisecond apart."""


def new_batch_id() -> str:
    """Return an id for a new batch."""
    return batch_of(new_order_id())


def batch_of(order_id: str) -> str:
    """Return the id of the batch that an order would be of."""
    return order_id[:-_NUMBER_DIGITS] + "0" * _NUMBER_DIGITS


def id_in_batch(batch_id: str, number: int) -> str:
    """Return the id of the order with this number, from 0."""
    return f"{batch_id[:-_NUMBER_DIGITS]}{number:0{_NUMBER_DIGITS}x}"
