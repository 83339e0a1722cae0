"""The circuit breaker against what every circuit breaker has to keep to, under any calls in any order."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from consumers.payments.breaker import BreakerPolicy, CircuitBreaker, CircuitState

POLICY = BreakerPolicy(
    consecutive_failures=3, failure_rate=0.5, minimum_calls=8, window_seconds=10.0, reset_seconds=5.0
)


def state_of(breaker: CircuitBreaker) -> CircuitState:
    """Read anew: mypy takes an attribute for unchanged that an earlier line compared."""
    return breaker.state


def failing(breaker: CircuitBreaker, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        permit = breaker.enter(now)
        assert permit is not None
        breaker.record(permit, now, failed=True)


def test_some_failures_in_a_row_open_the_circuit() -> None:
    breaker = CircuitBreaker(POLICY)
    failing(breaker, 2)
    assert state_of(breaker) is CircuitState.CLOSED
    failing(breaker, 1)
    assert state_of(breaker) is CircuitState.OPEN
    assert breaker.enter(4.9) is None
    assert breaker.seconds_until_probe(3.0) == 2.0


def test_a_failing_half_opens_the_circuit_though_never_many_fail_in_a_row() -> None:
    breaker = CircuitBreaker(POLICY)
    for n in range(8):
        assert state_of(breaker) is CircuitState.CLOSED
        permit = breaker.enter(float(n))
        assert permit is not None
        breaker.record(permit, float(n), failed=n % 2 == 1)
    assert state_of(breaker) is CircuitState.OPEN


def test_failures_of_long_ago_do_not_count() -> None:
    breaker = CircuitBreaker(POLICY)
    for n in range(100):
        permit = breaker.enter(n * 2.0)
        assert permit is not None
        breaker.record(permit, n * 2.0, failed=n % 2 == 1)
    assert state_of(breaker) is CircuitState.CLOSED


def test_one_probe_at_a_time_goes_through() -> None:
    breaker = CircuitBreaker(POLICY)
    failing(breaker, 3)
    probe = breaker.enter(5.0)
    assert probe is not None
    assert state_of(breaker) is CircuitState.HALF_OPEN
    assert breaker.enter(5.0) is None
    assert breaker.enter(500.0) is None
    breaker.record(probe, 500.0, failed=True)
    assert breaker.enter(504.0) is None
    again = breaker.enter(505.0)
    assert again is not None
    breaker.record(again, 506.0, failed=False)
    assert state_of(breaker) is CircuitState.CLOSED
    assert breaker.enter(506.0) is not None


def test_a_call_that_began_before_the_circuit_opened_does_not_decide_for_the_probe() -> None:
    breaker = CircuitBreaker(POLICY)
    late = breaker.enter(0.0)
    assert late is not None
    failing(breaker, 3)
    probe = breaker.enter(5.0)
    assert probe is not None
    breaker.record(late, 5.1, failed=False)
    assert state_of(breaker) is CircuitState.HALF_OPEN
    breaker.record(late, 5.2, failed=True)
    assert state_of(breaker) is CircuitState.HALF_OPEN
    breaker.record(probe, 5.3, failed=False)
    assert state_of(breaker) is CircuitState.CLOSED


class AnyCalls(RuleBasedStateMachine):
    """Calls begin and end in any order while time passes; a plain model says what must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = CircuitBreaker(POLICY)
        self.now = 0.0
        self.opened_at = 0.0
        self.in_flight: list[int] = []
        self.probe: int | None = None
        self.ended_since_closed: list[bool] = []

    @rule(seconds=st.integers(0, 24).map(lambda halves: halves / 2))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_call_asks(self) -> None:
        before = self.breaker.state
        permit = self.breaker.enter(self.now)
        if before is CircuitState.CLOSED:
            assert permit is not None
        elif before is CircuitState.HALF_OPEN:
            assert permit is None
        else:
            may_probe = self.now >= self.opened_at + POLICY.reset_seconds
            assert (permit is not None) == may_probe
            self.probe = permit
        if permit is not None:
            self.in_flight.append(permit)

    @precondition(lambda self: self.in_flight)
    @rule(choice=st.integers(0, 1000), failed=st.booleans())
    def a_call_ends(self, choice: int, failed: bool) -> None:
        before = self.breaker.state
        permit = self.in_flight.pop(choice % len(self.in_flight))
        is_probe = permit == self.probe
        self.breaker.record(permit, self.now, failed=failed)
        after = self.breaker.state
        if before is CircuitState.HALF_OPEN:
            expected = (CircuitState.OPEN if failed else CircuitState.CLOSED) if is_probe else before
            assert after is expected
        elif before is CircuitState.OPEN:
            assert after is CircuitState.OPEN
        else:
            assert after is before or (failed and after is CircuitState.OPEN)
        if after is CircuitState.OPEN and before is not CircuitState.OPEN:
            self.opened_at = self.now
        if after is not CircuitState.HALF_OPEN:
            self.probe = None

    @precondition(lambda self: self.breaker.state is CircuitState.CLOSED)
    @rule()
    def enough_failures_in_a_row_always_open_it(self) -> None:
        for _ in range(POLICY.consecutive_failures):
            permit = self.breaker.enter(self.now)
            if permit is not None:
                self.breaker.record(permit, self.now, failed=True)
        assert self.breaker.state is CircuitState.OPEN
        self.opened_at = self.now

    @invariant()
    def a_wait_for_the_probe_never_exceeds_the_reset_time(self) -> None:
        wait = self.breaker.seconds_until_probe(self.now)
        assert 0.0 <= wait <= POLICY.reset_seconds
        assert wait == 0.0 or self.breaker.state is CircuitState.OPEN

    @invariant()
    def at_most_one_probe_is_under_way(self) -> None:
        assert (self.breaker.state is CircuitState.HALF_OPEN) == (
            self.probe is not None and self.probe in self.in_flight
        )


TestAnyCalls = AnyCalls.TestCase
