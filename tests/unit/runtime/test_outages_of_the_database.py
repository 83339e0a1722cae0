"""Which errors of PostgreSQL are waited out, and which end a room."""

import asyncpg
import pytest

from consumers.runtime.postgres.database import is_outage


def error_of(sqlstate: str) -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new({"C": sqlstate, "M": "whatever it was", "S": "ERROR"})


@pytest.mark.parametrize(
    "sqlstate",
    [
        "08006",  # connection_failure
        "25006",  # read_only_sql_transaction
        "28P01",  # invalid_password: roles that are not there yet after a failover
        "3D000",  # invalid_catalog_name
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "53100",  # disk_full
        "53200",  # out_of_memory
        "53300",  # too_many_connections
        "55000",  # object_not_in_prerequisite_state
        "55006",  # object_in_use
        "55P03",  # lock_not_available
        "57014",  # query_canceled: our own time-out behind somebody's lock
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
        "58030",  # io_error
    ],
)
def test_trouble_of_the_server_is_waited_out(sqlstate: str) -> None:
    assert is_outage(error_of(sqlstate))


@pytest.mark.parametrize("sqlstate", ["22021", "23505", "23514", "42601", "42P01", "42703", "LU001", "XX001"])
def test_trouble_with_the_statement_or_the_data_is_not(sqlstate: str) -> None:
    assert not is_outage(error_of(sqlstate))


@pytest.mark.parametrize(
    ("error", "waited_out"),
    [
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (asyncpg.InternalClientError("got result for unknown protocol state 3"), True),
        (asyncpg.ClientConfigurationError("invalid DSN"), False),
        (ValueError("of our own"), False),
    ],
)
def test_a_lost_connection_is_waited_out_and_a_wrong_address_is_not(error: Exception, *, waited_out: bool) -> None:
    assert is_outage(error) is waited_out
