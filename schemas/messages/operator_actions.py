"""What operators did to the system itself, on operator.actions, keyed by what it was done to."""

from __future__ import annotations

from schemas.messages.base import Message


class OperatorAction(Message, frozen=True):
    """Somebody (`by`) did something (`action`) to a part of the system (`subject`), and gave a reason (`why`).

    `detail` is what else there is to know, as JSON or as text.
    """

    subject: str
    action: str
    by: str
    why: str
    detail: str


OPERATOR_ACTIONS: tuple[type[Message], ...] = (OperatorAction,)
