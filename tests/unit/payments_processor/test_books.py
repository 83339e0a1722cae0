"""The simulated processor's judge and books: whatever is asked of an authorisation in any order, its money adds up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infra.local.sandbox_processor.books import Authorization, Books
from infra.local.sandbox_processor.entries import OK, Entry, Kind, Request
from infra.local.sandbox_processor.faults import FaultPlan, FaultSettings
from infra.local.sandbox_processor.judge import BY_HAND, Judge, Terms, lapse

AMOUNT_MINOR = 100
LIFE_SECONDS = 50.0
_STEP_MS = 1000

Ask = tuple[str, int, bool]
ASKS = st.lists(
    st.tuples(
        st.sampled_from(["capture", "void", "refund", "confirm", "deny", "lapse", "dispute", "close"]),
        st.integers(1, 120),
        st.booleans(),
    ),
    max_size=60,
)


class Desk:
    """Judge and books at work on one authorisation; a second passes with each step."""

    def __init__(self, card: str = "tok_visa") -> None:
        self.books = Books()
        self.judge = Judge(FaultPlan(FaultSettings()), Terms(authorization_seconds=LIFE_SECONDS))
        self.now_ms = 1_000_000
        self.entries: list[Entry] = []
        self.write(self.decide(Request("a", "", "authorize", "", "order", AMOUNT_MINOR, "EUR", card)))
        self.id = self.entries[0].authorization_id

    @property
    def line(self) -> Authorization:
        line = self.books.authorization(self.id)
        assert line is not None
        return line

    def decide(self, request: Request) -> Entry:
        self.now_ms += _STEP_MS
        return self.judge.decide(request, self.books.authorization(request.authorization_id), self.now_ms)

    def write(self, entry: Entry) -> Entry:
        self.entries.append(entry)
        self.books.apply(entry)
        return entry

    def ask(
        self, kind: str, amount_minor: int = 0, *, is_last: bool = True, currency: str = "EUR", by: str = ""
    ) -> Entry:
        key = f"{by}{kind} {len(self.entries)}"
        if kind in {"capture", "refund", "dispute"}:
            request = Request(key, "", kind, self.id, "", amount_minor, currency, is_last=is_last)  # type: ignore[arg-type]
        else:
            request = Request(key, "", "void", self.id)
        return self.write(self.decide(request))

    def close(self, dispute_id: str, *, won: bool) -> Entry:
        kind: Kind = "dispute_won" if won else "dispute_lost"
        request = Request(f"{kind} {len(self.entries)}", "", kind, dispute_id=dispute_id)
        self.now_ms += _STEP_MS
        return self.write(self.judge.decide(request, self.books.disputed(dispute_id), self.now_ms))

    def follow(self, ask: Ask) -> None:
        kind, amount_minor, is_last = ask
        asked = self.books.find("a")
        assert asked is not None
        if kind in {"confirm", "deny"}:
            if asked.awaits_action:
                self.write(self.judge.confirm(asked, self.now_ms, confirmed=kind == "confirm"))
        elif kind == "lapse":
            if self.line.state == "open" and self.now_ms >= self.line.expires_at_ms:
                self.write(lapse(self.line, self.now_ms))
        elif kind == "close":
            for dispute_id in list(self.line.open_disputes)[:1]:
                self.close(dispute_id, won=is_last)
        else:
            self.ask(kind, amount_minor, is_last=is_last)


@given(ASKS, st.sampled_from(["tok_visa", "tok_3ds"]))
def test_money_adds_up_whatever_is_asked(asks: list[Ask], card: str) -> None:
    desk = Desk(card)
    for ask in asks:
        desk.follow(ask)
        line = desk.line
        assert 0 <= line.refunded_minor <= line.captured_minor
        assert line.captured_minor + line.voided_minor + line.held_minor == line.authorized_minor
        assert line.held_minor >= 0
        assert (line.authorized_minor == 0) == (line.expires_at_ms == 0)
        assert line.held_minor == 0 or line.state == "open"
        assert 0 <= line.disputed_minor + line.lost_minor <= line.captured_minor
        assert line.disputed_minor == sum(line.open_disputes.values())
    done = [entry for entry in desk.entries if entry.status == OK]
    line = desk.line
    assert line.captured_minor == sum(entry.amount_minor for entry in done if entry.kind == "capture")
    assert line.refunded_minor == sum(entry.amount_minor for entry in done if entry.kind == "refund")


@given(ASKS, st.sampled_from(["tok_visa", "tok_3ds"]))
def test_a_reloaded_journal_gives_the_same_books(asks: list[Ask], card: str) -> None:
    desk = Desk(card)
    for ask in asks:
        desk.follow(ask)
    reloaded = Books()
    for entry in desk.entries:
        reloaded.apply(entry)
    assert list(reloaded.lines()) == list(desk.books.lines())
    assert all(reloaded.find(entry.key) == desk.books.find(entry.key) for entry in desk.entries)


def test_several_captures_take_up_to_what_is_held_and_the_last_gives_the_rest_back() -> None:
    desk = Desk()
    assert desk.ask("capture", 30, is_last=False).outcome == "succeeded"
    assert desk.ask("capture", 80, is_last=False).code == "amount_exceeds_authorization"
    assert desk.ask("capture", 30, is_last=True).outcome == "succeeded"
    assert desk.ask("capture", 1).code == "already_captured"
    assert desk.ask("void").code == "already_captured"
    assert (desk.line.captured_minor, desk.line.voided_minor) == (60, 40)


def test_a_void_after_a_partial_capture_gives_back_the_rest() -> None:
    desk = Desk()
    desk.ask("capture", 30, is_last=False)
    assert desk.ask("void").amount_minor == 70
    assert (desk.line.captured_minor, desk.line.voided_minor) == (30, 70)
    assert desk.ask("refund", 30).outcome == "succeeded"


def test_refunds_never_exceed_what_was_captured() -> None:
    desk = Desk()
    assert desk.ask("refund", 1).code == "amount_exceeds_captured"
    desk.ask("capture", 60)
    assert desk.ask("refund", 40).outcome == "succeeded"
    assert desk.ask("refund", 21).code == "amount_exceeds_captured"
    assert desk.ask("refund", 20, currency="USD").code == "currency_mismatch"
    assert desk.ask("refund", 20).outcome == "succeeded"
    assert desk.line.refunded_minor == 60


def test_a_dispute_withdraws_money_that_comes_back_or_is_lost() -> None:
    desk = Desk()
    assert desk.ask("dispute", 10).code == "amount_exceeds_captured"
    desk.ask("capture", 100)
    first, second = desk.ask("dispute", 30), desk.ask("dispute", 50)
    assert (first.outcome, desk.line.disputed_minor, desk.line.left_minor) == ("opened", 80, 20)
    assert desk.ask("dispute", 21).code == "amount_exceeds_captured"
    assert desk.ask("refund", 21).code == "amount_exceeds_captured", "what is disputed cannot be refunded too"
    assert desk.close(first.dispute_id, won=True).outcome == "won"
    assert desk.close(second.dispute_id, won=False).outcome == "lost"
    assert (desk.line.disputed_minor, desk.line.lost_minor, desk.line.left_minor) == (0, 50, 50)
    assert desk.close(second.dispute_id, won=True).code == "dispute_closed"
    assert desk.close("dp_unknown", won=True).code == "dispute_unknown"


def test_what_was_refunded_may_be_disputed_all_the_same() -> None:
    desk = Desk()
    desk.ask("capture", 100)
    desk.ask("refund", 100)
    assert desk.ask("dispute", 100).outcome == "opened"
    assert desk.line.left_minor == -100


def test_a_refund_may_be_refused_by_the_bank() -> None:
    desk = Desk("tok_refund_fails")
    desk.ask("capture", 60)
    assert desk.ask("refund", 60).code == "refund_failed"


def test_a_person_at_the_dashboard_does_what_a_token_has_fail_for_us() -> None:
    desk = Desk("tok_void_fails")
    assert desk.ask("void").code == "void_failed"
    assert desk.ask("void", by=BY_HAND).outcome == "succeeded"
    desk = Desk("tok_refund_fails")
    desk.ask("capture", 60)
    assert desk.ask("refund", 60, by=BY_HAND).outcome == "succeeded"
    assert desk.ask("refund", 60, by=BY_HAND).code == "amount_exceeds_captured"


def test_what_its_customer_has_not_confirmed_holds_nothing() -> None:
    desk = Desk("tok_3ds")
    assert desk.entries[0].outcome == "requires_action"
    assert desk.line.authorized_minor == 0
    assert desk.ask("capture", 1).code == "action_required"
    desk.follow(("confirm", 0, True))
    assert desk.line.authorized_minor == AMOUNT_MINOR
    assert desk.line.expires_at_ms == desk.now_ms + LIFE_SECONDS * 1000
    assert desk.ask("capture", 100).outcome == "succeeded"


def test_what_its_customer_would_not_confirm_is_over() -> None:
    desk = Desk("tok_3ds")
    desk.follow(("deny", 0, True))
    operation = desk.books.find("a")
    assert operation is not None
    assert (operation.outcome, operation.code) == ("refused", "action_declined")
    assert desk.ask("capture", 1).code == "authorization_declined"
    assert desk.ask("void").outcome == "succeeded"
    assert desk.line.state == "declined"


def test_a_void_before_the_customer_confirmed_is_for_good() -> None:
    desk = Desk("tok_3ds")
    assert desk.ask("void").outcome == "succeeded"
    operation = desk.books.find("a")
    assert operation is not None
    assert (operation.outcome, operation.code) == ("refused", "already_voided")
    desk.follow(("confirm", 0, True))
    assert desk.line.authorized_minor == 0
    assert desk.ask("capture", 1).code == "already_voided"


def test_a_lapsed_authorisation_gives_back_what_is_held_and_takes_no_capture() -> None:
    desk = Desk()
    desk.ask("capture", 30, is_last=False)
    desk.now_ms += round(LIFE_SECONDS * 1000)
    assert desk.ask("capture", 1).code == "authorization_expired", "even before anybody noticed"
    desk.follow(("lapse", 0, True))
    assert (desk.line.state, desk.line.held_minor, desk.line.voided_minor) == ("expired", 0, 70)
    assert desk.ask("void").outcome == "succeeded", "there is nothing left to give back"
    assert desk.ask("refund", 30).outcome == "succeeded"
    assert next(entry for entry in desk.entries if entry.kind == "lapse").operation_id == "a"


def test_pages_of_payments_miss_nothing_that_is_added_meanwhile() -> None:
    desk = Desk()
    for n in range(10):
        desk.write(desk.decide(Request(f"more {n}", "", "authorize", "", f"order {n}", 5, "EUR", "tok_visa")))
    lines = list(desk.books.lines())
    first, following = desk.books.page(lines[3].created_at_ms, 0, 5)
    assert following is not None
    desk.write(desk.decide(Request("late", "", "authorize", "", "late", 5, "EUR", "tok_visa")))
    rest, end = desk.books.page(lines[3].created_at_ms, following, 50)
    assert [line.order_id for line in (*first, *rest)] == [line.order_id for line in desk.books.lines()][3:]
    assert end is None
