"""`lastunit schemas register`: our schemas in a registry with Confluent's API, under the lock's numbers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from infra.base import schema_registry
from infra.base.errors import RegistryError
from infra.base.settings import PREFIX, load_settings
from infra.cli.output import AsJson, fail, print_json, print_text

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = f"{PREFIX}SCHEMA_REGISTRY_URL"


def register(*, as_json: AsJson = False) -> None:
    """Register what the registry lacks, each under its own number.

    The registry is the one in LASTUNIT_SCHEMA_REGISTRY_URL. Exit status 1: it does not answer, or an id means another schema there.
    """
    url = load_settings().schema_registry_url
    if not url:
        fail(f"Name the registry in {VARIABLE}, as in http://127.0.0.1:8081.")
    try:
        added = asyncio.run(schema_registry.register(url))
    except RegistryError as error:
        fail(str(error))
    if as_json:
        print_json([{"id": entry.id, "name": entry.name, "version": entry.version} for entry in added])
    elif added:
        print_text(f"{len(added)} schemas registered, ids {added[0].id} to {added[-1].id}")
    else:
        print_text("The registry has them all.")


def faults_in_registry() -> Iterator[str]:
    """Yield what is wrong in the registry that the settings name; nothing without one."""
    url = load_settings().schema_registry_url
    if not url:
        return
    try:
        differences = asyncio.run(schema_registry.compare(url))
    except RegistryError as error:
        yield str(error)
        return
    for entry in differences.other:
        yield f"id {entry.id} means another schema in the registry than {entry.name} version {entry.version}"
    for entry in differences.missing:
        yield f"id {entry.id}, {entry.name} version {entry.version}, is not in the registry; run `lastunit schemas register`"
