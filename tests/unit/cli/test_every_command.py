"""What holds for every command: --json, help without imports, one line for whatever is wrong, and the nearest command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.cli.groups import ELSEWHERE, IN_GROUP
from tests.harness.odd_arguments import STARTS_SOMETHING, Leaf, commands, flags, invocations, run_here

COMMANDS = commands()
HEAVY = (
    "aiohttp",
    "aiokafka",
    "asyncpg",
    "consumers",
    "fastavro",
    "msgspec",
    "numpy",
    "pydantic",
    "redis",
    "rich",
    "stripe",
)
SAMPLE = 8
"""Of the odd values each place has one of so many; all of them take a minute."""


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of somebody who has started nothing, in a folder of his own: some values name a file to write."""
    monkeypatch.chdir(tmp_path)
    return {"LASTUNIT_STATE_DIR": str(tmp_path / "nothing"), "COLUMNS": "80"}


@pytest.mark.parametrize("leaf", COMMANDS, ids=lambda leaf: leaf.name)
def test_every_command_takes_json(leaf: Leaf) -> None:
    assert "--json" in [name for parameter in leaf.command.params for name in parameter.opts]


@pytest.mark.parametrize("leaf", COMMANDS, ids=lambda leaf: leaf.name)
def test_no_number_with_a_point_is_read_without_bounds(leaf: Leaf) -> None:
    """Python reads nan, inf and 1e999 as floats, and neither is below a least or above a most one: an endless wait."""
    read = {parameter.name: parameter.type_descriptor for parameter in leaf.command.params}
    assert [
        name for name, type_ in read.items() if "float" in str(type_.annotation) and not type_.parameter_info.parser
    ] == []


@pytest.mark.parametrize("every", [SAMPLE, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("leaf", COMMANDS, ids=lambda leaf: leaf.name)
def test_no_value_of_any_option_ends_in_a_traceback(leaf: Leaf, every: int, nowhere: dict[str, str]) -> None:
    """Each value is read as far as nobody's servers are needed; with servers: tests/stack/test_cli_odd_arguments.py."""
    if leaf.words[0] in STARTS_SOMETHING:
        pytest.skip("it starts servers; its options are ranges and choices")
    for arguments in (*invocations(leaf, every), *flags(leaf)):
        ended = run_here(arguments, nowhere)
        assert ended.status in {0, 1, 2}, arguments
        assert "Traceback" not in ended.errors
        if ended.status:
            printed = ended.output + ended.errors
            assert printed, arguments
            assert max(map(len, printed.splitlines())) < 2_000, arguments


def test_help_imports_nothing_heavy() -> None:
    code = "import sys\nfrom infra.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert imported & set(HEAVY) == set()
    assert "Place one order" in done.stdout


def test_help_shows_the_whole_headline_of_each_command(nowhere: dict[str, str]) -> None:
    output = run_here(["--help"], nowhere).output
    assert "..." not in output.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        ("health", "lastunit status"),
        ("metrics", "lastunit status"),
        ("dead-letters", "lastunit letters list"),
        ("dead_letters", "lastunit letters list"),
        ("orders list", "lastunit orders find"),
        ("order plcae", "lastunit order place"),
        ("veryfy", "lastunit verify"),
        ("stock list", "lastunit stock show"),
        ("order return aprove x y", "lastunit order return approve"),
        ("x" * 6_000, "lastunit --help"),
    ],
)
def test_a_command_that_there_is_not_is_answered_with_the_nearest(
    arguments: str, nearest: str, nowhere: dict[str, str]
) -> None:
    ended = run_here(arguments.split(), nowhere)
    assert ended.status == 2
    assert f"`{nearest}`" in ended.errors


def test_every_suggested_command_exists() -> None:
    known = {leaf.name for leaf in COMMANDS} | {
        " ".join(leaf.words[:n]) for leaf in COMMANDS for n in range(1, len(leaf.words))
    }
    suggested = {name for names in (*ELSEWHERE.values(), *IN_GROUP.values()) for name in names}
    assert {name for name in suggested if not name.startswith("-")} - known == set()


def test_an_argument_that_is_no_text_is_refused_in_one_line(nowhere: dict[str, str]) -> None:
    ended = run_here(["order", "show", "\udc80"], nowhere)
    assert (ended.status, ended.errors.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("stock", "receive", "MUG", "-1"),
            "units must be positive. To correct a count use `lastunit stock adjust MUG -1",
        ),
        (("stock", "history", "MUG", "--as-of", "29 Nov 2026"), "give one such as 2026-01-31"),
        (("replay", "--until", "yesterday"), "give one such as 2026-01-31"),
        (("orders", "stuck", "--older-than", "inf"), "give 0 to 1,000,000,000 seconds"),
        (("payments", "reconcile", "--days", "inf"), "give 0 to 36,500 days"),
        (("webhooks", "add", "http://[::1"), "Invalid IPv6 URL"),
        (("webhooks", "add", "https://x:99999/"), "Port out of range"),
        (("webhooks", "add", "https://u:p@x/"), "it has a user name or a password"),
        (("webhooks", "add", "https://x/#f"), "it has a fragment"),
        (("webhooks", "add", f"https://{'x' * 3_000}/"), "it has more than 2,000 characters"),
        (("webhooks", "add", f"https://{'x' * 64}.example/"), "its host name is none"),
        (("webhooks", "add", "https://x/", "--kind", "order.confirmed", "--kind", "order.confirmed"), "is given twice"),
        (("webhooks", "add", "https://x/", "--kind", "order.painted"), "give some of order."),
        (
            ("order", "ship", "553547", "--carrier", "x", "--tracking", "1"),
            "`lastunit order show` finds an order by its reference",
        ),
        (("order", "place", "--line", "MUG=1@x"), "is no price"),
        (("keys", "create", "", "--scope", "orders:read"), "Invalid value for 'NAME': it is empty."),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_give(
    arguments: tuple[str, ...], message: str, nowhere: dict[str, str]
) -> None:
    ended = run_here(arguments, nowhere)
    assert (ended.status, ended.output) == (2, "")
    assert message in ended.errors


def test_config_prints_names_whole(nowhere: dict[str, str]) -> None:
    document = json.loads(run_here(["config", "--json"], nowhere).output)
    output = run_here(["config"], nowhere).output
    assert all(f"LASTUNIT_{name.upper()}  " in output for name in document if name != "codec_in_use")
