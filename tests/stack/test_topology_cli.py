"""`lastunit topology` as an operator or a deployment script meets it: what it prints and how it exits."""

from __future__ import annotations

import json

from tests.harness.cli import lastunit
from topology.topics import ORDER_EVENTS, TOPICS

Environment = dict[str, str]


async def topology(environment: Environment, *arguments: str) -> tuple[int, str, str]:
    """Run the command in a process of its own; return exit status, output, error output."""
    partitions = environment.get("LASTUNIT_PARTITIONS", "2")
    return await lastunit({**environment, "LASTUNIT_PARTITIONS": partitions}, "topology", *arguments, columns=300)


async def test_check_fails_until_the_topics_are_applied(environment: Environment) -> None:
    status, output, _ = await topology(environment, "check")
    assert status == 1
    assert "missing" in output

    status, output, errors = await topology(environment, "apply")
    assert (status, errors) == (0, "")
    assert output.count("created ") == len(TOPICS)

    status, output, _ = await topology(environment, "check")
    assert status == 0
    assert "as declared" in output
    assert "Nothing to do" in (await topology(environment, "apply"))[1]


async def test_a_script_reads_json(environment: Environment) -> None:
    status, output, _ = await topology(environment, "diff", "--json")
    document = json.loads(output)
    assert status == 0, "diff only shows"
    assert document["same"] is False
    assert [missing["topic"] for missing in document["missing"]] == [
        topic.in_namespace(environment["LASTUNIT_NAMESPACE"]) for topic in TOPICS
    ]
    status, output, _ = await topology(environment, "apply", "--json")
    assert (status, len(json.loads(output)["created"])) == (0, len(TOPICS))
    status, output, _ = await topology(environment, "check", "--json")
    assert (status, json.loads(output)["same"]) == (0, True)


async def test_other_partitions_are_refused_with_what_to_do(environment: Environment) -> None:
    await topology(environment, "apply")
    more = {**environment, "LASTUNIT_PARTITIONS": "4"}
    status, _, errors = await topology(more, "apply")
    assert status == 1
    assert f"{ORDER_EVENTS.name} has 2 partitions, not 4" in errors
    assert "LASTUNIT_PARTITIONS=2" in errors
    status, output, _ = await topology(more, "diff")
    assert status == 0
    assert "refuses" in output


async def test_another_cluster_is_refused(environment: Environment) -> None:
    status, _, errors = await topology({**environment, "LASTUNIT_CLUSTER_ID": "elsewhere"}, "apply")
    assert status == 2
    assert "elsewhere" in errors


async def test_a_named_server_needs_its_cluster_named_too(environment: Environment) -> None:
    nameless = {name: value for name, value in environment.items() if name != "LASTUNIT_CLUSTER_ID"}
    status, output, _ = await topology(nameless, "apply", "--json")
    assert status == 2
    assert json.loads(output)["error"] == "ClusterNotNamedError"
    assert environment["LASTUNIT_CLUSTER_ID"] in json.loads(output)["detail"]


async def test_the_stack_that_runs_here_needs_no_name(environment: Environment) -> None:
    unnamed = {"LASTUNIT_CLUSTER_ID", "LASTUNIT_KAFKA_BOOTSTRAP"}
    here = {name: value for name, value in environment.items() if name not in unnamed}
    assert (await topology(here, "apply"))[0] == 0
    assert (await topology(environment, "check"))[0] == 0


async def test_without_any_kafka_it_names_how_to_get_one(environment: Environment, tmp_path: object) -> None:
    here = {**environment, "LASTUNIT_STATE_DIR": str(tmp_path)}
    del here["LASTUNIT_KAFKA_BOOTSTRAP"]
    status, _, errors = await topology(here, "check")
    assert status == 2
    assert "lastunit up" in errors
