"""What an operator can do on the console's pages: each is a command that the command line has too, noted with who and why.

The note goes to operator.actions before the command does: one without an effect is harmless, an effect without a note is not.
Dead letters are noted after they were sent again, since the note closes them (infra/ops/letters/redriving.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from infra.base.connections import address_of, kafka_publisher
from infra.base.errors import InfraError
from infra.ops import pausing
from infra.ops.letters import redriving
from infra.ops.letters.reading import ACKNOWLEDGE, REDRIVE, Filter, Letter, LetterState, read_letters, subject_of
from infra.ops.log import Log
from infra.ops.pausing import PAUSE, RESUME, Place
from producers.clients.order_commands import MERCHANT, OPERATOR, OrderCommandClient, check_order_command
from producers.clients.stock import StockClient, check_stock_command
from producers.errors import InvalidOrderCommandError, InvalidStockCommandError
from producers.publisher import BY_KEY, Outgoing
from schemas import messages as m
from schemas.codec.wire import encode
from topology.states import CLOSED_ORDER_STATES, OrderState, PaymentState
from topology.topics import OPERATOR_ACTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.views.timeline import OrderView
    from infra.base.settings import Settings
    from infra.ops.stock import Level
    from producers.clients.order_commands import OrderCommand

MAX_WHY: Final = 200


class UnusableActionError(InfraError):
    """An action cannot be done as asked; the text is for whoever asked."""


class Action(msgspec.Struct, frozen=True):
    """One thing that can be done to an order, a SKU, a dead letter or a room; `effect` is what follows, in a sentence."""

    name: str
    kind: Literal["order", "sku", "letter", "room"]
    button: str
    effect: str


_OF_ORDERS: Final = (
    Action(
        "cancel", "order", "Cancel the order", "If nothing was shipped the order ends: its goods and its money go back."
    ),
    Action(
        "retry",
        "order",
        "Ask the processor again",
        "The void or refund that failed, or the lapsed authorisation, is asked for again.",
    ),
    Action(
        "resolve",
        "order",
        "Note as settled by hand",
        "The failed void or refund counts as done by hand; no money moves.",
    ),
)
_OF_SKUS: Final = (
    Action(
        "suspend",
        "sku",
        "Take off sale",
        "Nobody can order it until it is put on sale again; what is held or allocated goes on.",
    ),
    Action("resume", "sku", "Put on sale again", "It can be ordered again."),
)
_OF_LETTERS: Final = (
    Action(
        REDRIVE,
        "letter",
        "Send it again",
        "The record is published to its topic again; the room takes what it has decided before for a duplicate.",
    ),
    Action(ACKNOWLEDGE, "letter", "Nothing is to be done", "The letter is no longer listed as open; nothing is sent."),
)
_OF_ROOMS: Final = (
    Action(
        PAUSE,
        "room",
        "Pause it",
        "Nothing more is decided there after the batch in hand, until it is resumed; what comes in waits on the log.",
    ),
    Action(RESUME, "room", "Resume it", "It goes on where it stood."),
)
ACTIONS: Final = {action.name: action for action in (*_OF_ORDERS, *_OF_SKUS, *_OF_LETTERS, *_OF_ROOMS)}
_NOT_TO_CANCEL: Final = CLOSED_ORDER_STATES | {OrderState.SHIPPED}
_NEEDS_SOMEBODY: Final = frozenset({PaymentState.VOID_FAILED, PaymentState.REFUND_FAILED, PaymentState.LAPSED})


def actions_of_order(view: OrderView) -> Sequence[Action]:
    """Return what can be done to an order as it stands."""
    cancel, *of_money = _OF_ORDERS
    ends = () if view.state in _NOT_TO_CANCEL else (cancel,)
    return (*ends, *(of_money if view.payment in _NEEDS_SOMEBODY else ()))


def actions_of_sku(level: Level) -> Sequence[Action]:
    """Return what can be done to a SKU as it stands."""
    suspend, resume = _OF_SKUS
    return () if level.is_retired else (resume,) if level.is_suspended else (suspend,)


def actions_of_letter(letter: Letter) -> Sequence[Action]:
    """Return what can be done about a dead letter."""
    redrive, acknowledge = _OF_LETTERS
    return (redrive, acknowledge) if letter.state is LetterState.OPEN else (redrive,)


def action_of_room(*, is_paused: bool) -> Action:
    """Return what can be done to a room, or to one partition of it, as it stands."""
    pause, resume = _OF_ROOMS
    return resume if is_paused else pause


def subject_name(action: Action, subject: str) -> str:
    """Return how operator.actions names what an action is about."""
    return subject_of(subject) if action.kind == "letter" else f"{action.kind}/{subject}"


def command_of(action: Action, subject: str, why: str, own_id: str) -> OrderCommand | m.SkuCommand:
    """Return the command of an action about an order or a SKU; `own_id` makes sending it twice harmless.

    Raises UnusableActionError.
    """
    try:
        match action.name:
            case "suspend" | "resume":
                stock = (
                    m.SuspendSale(own_id, subject, why) if action.name == "suspend" else m.ResumeSale(own_id, subject)
                )
                check_stock_command(stock)
                return stock
            case "cancel":
                order: OrderCommand = m.CancelOrder(subject, MERCHANT, why)
            case "retry":
                order = m.RetryOrder(subject, OPERATOR)
            case _:
                order = m.ResolveOrder(subject, OPERATOR, why)
        check_order_command(order)
    except (InvalidOrderCommandError, InvalidStockCommandError) as error:
        raise UnusableActionError(str(error)) from error
    return order


async def carry_out(settings: Settings, action: Action, subject: str, *, by: str, why: str, own_id: str) -> None:
    """Do it; on return Kafka has acknowledged the note and the command. Raises InfraError, PublishError."""
    why = why.strip()
    if not 0 < len(why) <= MAX_WHY or not why.isprintable():
        raise UnusableActionError(f"Give the reason in 1 to {MAX_WHY} printable characters.")
    if action.kind == "letter":
        await _carry_out_letter(settings, action, subject, by, why)
        return
    if action.kind == "room":
        change = pausing.pause if action.name == PAUSE else pausing.resume
        await change(settings, Place.of(subject), by=by, why=why)
        return
    command = command_of(action, subject, why, own_id)
    note = m.OperatorAction(subject_name(action, subject), action.name, by, why, type(command).__name__)
    async with kafka_publisher(settings) as publisher:
        await publisher.publish([Outgoing(OPERATOR_ACTIONS.name, BY_KEY, note.subject.encode(), encode(note))])
        if isinstance(command, m.SkuCommand):
            await StockClient(publisher).send([command])
        else:
            await OrderCommandClient(publisher).send([command])


async def _carry_out_letter(settings: Settings, action: Action, letter_id: str, by: str, why: str) -> None:
    wanted = Filter((letter_id,), states=())
    async with Log(address_of("kafka_bootstrap", settings), settings.namespace) as records:
        letters = [letter for letter in await read_letters(records) if wanted.takes(letter)]
    if not letters:
        raise UnusableActionError(f"There is no dead letter {letter_id[:40]}.")
    async with kafka_publisher(settings) as publisher:
        if action.name == REDRIVE:
            await redriving.redrive(publisher, redriving.plan(letters), by=by, why=why)
        else:
            await redriving.acknowledge(publisher, letters, by=by, why=why)
