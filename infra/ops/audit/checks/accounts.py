"""A second, simple bookkeeping of stock, kept from what was published and never by asking `decide`.

It knows only what each fact means for a SKU's units and a customer's limit, so it finds a decision that should not have
been taken even where the replay agrees with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from infra.ops.audit.checks.parked import ParkedSkus
from infra.ops.audit.checks.sku_account import (
    Account,
    Cart,
    Case,
    Key,
    Line,
    LineState,
    apply,
    move,
    stock_refusal_unjustified_because,
    unjustified_because,
)
from schemas import messages as m
from schemas.codec.wire import decode
from schemas.errors import DecodeError
from topology.topics import DEAD_LETTERS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.ops.audit.outputs import Output
    from infra.ops.audit.report import Tallies
    from infra.ops.audit.rows import StockRow

# What a line must be before a fact, and what it is after it: anything else is a command that took effect twice.
_TRANSITIONS: Final[Mapping[type[m.Message], tuple[frozenset[LineState | None], LineState]]] = {
    m.LineReserved: (frozenset({None}), LineState.HELD),
    m.LineCommitted: (frozenset({LineState.HELD, LineState.EXPIRED}), LineState.SOLD),
    m.LineReleased: (frozenset({LineState.HELD}), LineState.GIVEN_BACK),
    m.LineExpired: (frozenset({LineState.HELD}), LineState.EXPIRED),
    m.LineShipped: (frozenset({LineState.SOLD}), LineState.SHIPPED),
    m.LineReturned: (frozenset({LineState.SOLD, LineState.SHIPPED}), LineState.GIVEN_BACK),
}


class Accounts:
    """The books of some partitions of inventory.commands."""

    def __init__(self, tallies: Tallies) -> None:
        self.by_sku: dict[str, Account] = {}
        self._lines: dict[Key, Line] = {}
        self._held_for: dict[Cart, set[Key]] = {}
        self._done: set[tuple[str, str]] = set()
        self._parked = ParkedSkus(tallies)
        self._tallies = tallies

    def post(self, command: object, outputs: Sequence[Output], position: str) -> None:
        """Write down one command with what was published about it, in the order of the log."""
        if hasattr(command, "command_id"):
            self._post_stock(command, outputs, position)
        for output in outputs:
            if output.topic == ORDER_EVENTS.name and (fact := _message(output)) is not None:
                self._check_refusal(command, fact, position)
                self._apply_fact(command, fact, position)
        for letter in _letters_in(outputs):
            self._parked.wait(letter, position)

    def compare(self, rows: Sequence[StockRow]) -> None:
        """Hold the units by the log against the stock rows, once all that they cover is written down."""
        self._parked.compare(rows)
        tally = self._tallies["on_hand_is_the_sum_of_movements"]
        stored = {row.sku: (row.on_hand, row.quarantined) for row in rows}
        for sku in stored.keys() | self.by_sku.keys():
            account = self._account(sku)
            for name, level, by_log in zip(
                ("on hand", "quarantined"), stored.get(sku, (0, 0)), (account.on_hand, account.quarantined), strict=True
            ):
                if level != by_log:
                    tally.breach(f"{sku}: {level} units are {name}, by the log it should be {by_log}")
        oversold = self._tallies["nothing_oversold"]
        for sku, account in self.by_sku.items():
            if account.sold > account.on_hand:
                oversold.breach(f"{sku}: {account.sold} units were sold by the log, {account.on_hand} were there")

    # --- commands about a SKU itself ----------------------------------------------------------------------------------

    def _post_stock(self, command: Any, outputs: Sequence[Output], position: str) -> None:
        """Write down a stock command, once for each id and SKU, unless it was refused: that is remembered too."""
        name = (command.command_id, command.sku)
        if name in self._done:
            return
        account = self._account(command.sku)
        letters = _letters_in(outputs)
        if letters:
            if any(letter.reason == f"{type(command).__name__}_refused" for letter in letters):
                self._done.add(name)
                tally = self._tallies["every_refusal_was_justified"]
                tally.count(stock_commands_refused=1)
                if (words := stock_refusal_unjustified_because(command, account)) is not None:
                    tally.breach(f"{position}: {words}")
            return
        self._done.add(name)
        apply(command, account)
        self._parked.obey(command, position)
        self._check_level(command.sku, account, position)

    # --- commands about lines -----------------------------------------------------------------------------------------

    def _check_refusal(self, command: object, fact: m.Message, position: str) -> None:
        if not isinstance(fact, m.LineRejected | m.LineCommitFailed):
            return
        tally = self._tallies["every_refusal_was_justified"]
        tally.count(refusals=1, for_lack_of_stock=fact.reason == "insufficient_stock")
        if (words := unjustified_because(self._case(command, fact))) is not None:
            tally.breach(f"{position}: order {fact.order_id} line {fact.line} was refused {words}")

    def _case(self, command: object, fact: m.LineRejected | m.LineCommitFailed) -> Case:
        """Bring together what was known of the SKU and the customer when they were refused."""
        line = self._lines.get((fact.order_id, fact.line, fact.sku))
        customer = line.customer if line is not None else ""
        wanted = line.quantity if line is not None else fact.quantity
        peers: set[Key] = set()
        if isinstance(command, m.PlaceOrderLine):
            customer, wanted = command.customer_id, command.demand
            peers = {key for key in self._held_for.get(_cart_of(command), ()) if key[0] != command.order_id}
        return Case(
            fact=fact,
            account=self._account(fact.sku),
            wanted=wanted,
            freed=sum(self._lines[key].quantity for key in peers),
            bought=self._account(fact.sku).bought[customer]
            - sum(self._lines[key].quantity for key in peers if self._lines[key].counts),
            later_order=any(key[0] > fact.order_id for key in peers),
        )

    def _apply_fact(self, command: object, fact: Any, position: str) -> None:
        if (turn := _TRANSITIONS.get(type(fact))) is None:
            return
        key = (fact.order_id, fact.line, fact.sku)
        account = self._account(fact.sku)
        line = self._lines.get(key)
        was = line.state if line is not None else None
        before, after = turn
        tally = self._tallies["each_command_took_effect_once"]
        tally.figure["effects"] += 1
        if was not in before:
            state = "nothing" if was is None else was.name.lower()
            tally.breach(
                f"{position}: {type(fact).__name__} of order {key[0]} line {key[1]} {key[2]}, which was {state}"
            )
            return
        if line is None:
            line = self._lines[key] = Line(after, fact.quantity, fact.customer_id, _cart_of(command), account.limit > 0)
        self._check_sale(command, fact, line, position)
        line.state = after
        move(account, line, was, fact)
        self._follow_cart(key, line)
        self._check_level(fact.sku, account, position)
        self._check_limit(fact, line, account, position)

    def _check_sale(self, command: object, fact: m.Message, line: Line, position: str) -> None:
        """Check that nothing is reserved of what is off sale, and no hold given to an order of another cart."""
        if isinstance(fact, m.LineReserved):
            account = self._account(fact.sku)
            self._parked.check(command, fact.sku, position)
            if (account.suspended and not self._parked.is_let_through(fact.sku)) or account.retired:
                why = "suspended" if account.suspended else "retired"
                self._tallies["stock_within_bounds"].breach(f"{position}: {fact.sku} was reserved although {why}")
        elif isinstance(fact, m.LineReleased) and isinstance(command, m.PlaceOrderLine):
            cart = _cart_of(command)
            if not cart[1] or line.cart != cart or fact.order_id >= command.order_id:
                self._tallies["every_refusal_was_justified"].breach(
                    f"{position}: order {command.order_id} took over what {fact.order_id}, of no earlier checkout of "
                    f"its cart, held of {fact.sku}"
                )

    def _follow_cart(self, key: Key, line: Line) -> None:
        if not line.cart[1]:
            return
        held = self._held_for.setdefault(line.cart, set())
        if line.state is LineState.HELD:
            held.add(key)
        else:
            held.discard(key)

    def _check_level(self, sku: str, account: Account, position: str) -> None:
        tally = self._tallies["stock_within_bounds"]
        tally.figure["points_in_the_log"] += 1
        if min(account.held, account.sold, account.quarantined, account.available) < 0:
            tally.breach(
                f"{sku} at {position}: {account.held} held, {account.sold} sold and {account.quarantined} quarantined "
                f"of {account.on_hand} on hand"
            )

    def _check_limit(self, fact: m.Message, line: Line, account: Account, position: str) -> None:
        """Check a customer's limit where they get something; one that was lowered takes nothing away."""
        if not isinstance(fact, m.LineReserved) or not account.limit or not line.counts:
            return
        if account.bought[line.customer] > account.limit:
            self._tallies["stock_within_bounds"].breach(
                f"{position}: {account.bought[line.customer]} of {fact.sku} are counted of order {fact.order_id}'s "
                f"customer, the limit is {account.limit}"
            )

    def _account(self, sku: str) -> Account:
        return self.by_sku.setdefault(sku, Account())


def _cart_of(command: object) -> Cart:
    if isinstance(command, m.PlaceOrderLine):
        return command.customer_id, command.cart_id, command.sku
    return "", "", ""


def _letters_in(outputs: Sequence[Output]) -> list[m.DeadLetter]:
    messages = (_message(output) for output in outputs if output.topic == DEAD_LETTERS.name)
    return [message for message in messages if isinstance(message, m.DeadLetter)]


def _message(output: Output) -> m.Message | None:
    """Return the message of an output; one that cannot be read is the replay's finding, not ours."""
    try:
        return decode(output.value)
    except DecodeError:
        return None
