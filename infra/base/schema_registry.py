"""Our schemas in a registry that speaks Confluent's API, under the numbers of the lock.

The lock is where ids come from, always: no process needs the registry to encode, decode or replay. The registry is for others, whose
serializers look a record's id up there. So an id has to mean there what it means here, and is compared before a process works.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import fastavro
import structlog
from fastavro.schema import SchemaParseException, UnknownType

from infra.base.errors import RegistryError, SettingsError
from schemas.codec.lock import Locked, canonical, read_history, read_lock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import aiohttp

    from schemas.codec.lock import Schema

log = structlog.get_logger()

REQUEST_SECONDS: Final = 5.0
AT_ONCE: Final = 8
_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND: Final = 404


class Differences(NamedTuple):
    """Versions of the lock that a registry lacks, and those whose id stands for another schema there."""

    missing: Sequence[Locked]
    other: Sequence[Locked]


async def compare(url: str, lock: Sequence[Locked] | None = None) -> Differences:
    """Compare each id of the lock with what a registry has under it. Raises RegistryError where it does not answer."""
    lock = read_lock() if lock is None else lock
    limit = asyncio.Semaphore(AT_ONCE)

    async def is_same(session: aiohttp.ClientSession, entry: Locked) -> bool | None:
        async with limit:
            text = await _schema_of(session, entry.id)
        return None if text is None else _same(text, entry)

    async with _opened(url) as session:
        answers = await asyncio.gather(*(is_same(session, entry) for entry in lock))
    pairs = list(zip(lock, answers, strict=True))
    return Differences(
        [entry for entry, same in pairs if same is None], [entry for entry, same in pairs if same is False]
    )


async def register(url: str) -> list[Locked]:
    """Register what a registry lacks, in the order of the ids, each under its own number; return what was added.

    A registry that gives numbers itself gives the next one: that fits an empty one, and one that has all before. Raises
    RegistryError at the first that gets another number, naming what to do, and where the registry does not answer.
    """
    differences = await compare(url)
    if differences.other:
        raise RegistryError(_clash(differences.other))
    async with _opened(url) as session:
        takes_ids = await _import_mode(session, "IMPORT")
        try:
            for entry in differences.missing:
                await _register(session, entry, with_id=takes_ids)
        finally:
            if takes_ids:
                await _import_mode(session, "READWRITE")
    return list(differences.missing)


async def require_own_ids(url: str) -> None:
    """Compare before a process works. A registry that is away, or lacks schemas, is logged and stops nobody.

    Raises SettingsError where an id means another schema there: readers that go by the registry would misread our records.
    """
    try:
        differences = await compare(url)
    except RegistryError as error:
        log.warning("schema_registry_away", error=str(error))
        return
    if differences.other:
        raise SettingsError(_clash(differences.other))
    if differences.missing:
        log.warning(
            "schemas_not_in_registry", ids=[entry.id for entry in differences.missing], mend="lastunit schemas register"
        )


def _clash(other: Sequence[Locked]) -> str:
    named = ", ".join(f"{entry.id} ({entry.name} version {entry.version})" for entry in other[:5])
    more = f" and {len(other) - 5} more" if other[5:] else ""
    return (
        f"Ids mean other schemas in the registry: {named}{more}. Records would be misread; name a registry, or a context of"
        " Confluent's (URL/contexts/.lastunit), whose numbers are not taken."
    )


def _same(text: str, entry: Locked) -> bool:
    """Compare as readers do, defaults included; a registry may write names and documentation otherwise."""
    try:
        return _meaning(json.loads(text)) == _meaning(read_history(entry))
    except (ValueError, KeyError, TypeError, AttributeError, SchemaParseException, UnknownType):
        return False  # no schema, or a type of another kind


def _meaning(schema: Schema) -> str:
    """Return the schema's canonical form with every name in full."""
    parsed: Any = fastavro.parse_schema(schema)
    return canonical({key: value for key, value in parsed.items() if not key.startswith("__")})


async def _register(session: aiohttp.ClientSession, entry: Locked, *, with_id: bool) -> None:
    body: dict[str, Any] = {"schema": canonical(read_history(entry)), "schemaType": "AVRO"}
    if with_id:
        body |= {"id": entry.id, "version": entry.version}
    await _call(session, "POST", f"subjects/{entry.name}/versions", body)
    text = await _schema_of(session, entry.id)
    if text is None or not _same(text, entry):
        raise RegistryError(
            f"{entry.name} version {entry.version} was not registered under its number, {entry.id}: the registry gives numbers itself"
            " and has given some to others. Register into an empty one, before anybody else does."
        )


async def _import_mode(session: aiohttp.ClientSession, mode: str) -> bool:
    """Set whether ids may be given; return False where the registry knows no such mode."""
    try:
        await _call(session, "PUT", "mode?force=true", {"mode": mode})
    except RegistryError:
        return False
    return True


async def _schema_of(session: aiohttp.ClientSession, id_: int) -> str | None:
    answer = await _call(session, "GET", f"schemas/ids/{id_}")
    return None if answer is None else str(answer["schema"])


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    import aiohttp  # noqa: PLC0415  takes a fifth of the start of a process, most of which are given no registry

    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    async with aiohttp.ClientSession(url.rstrip("/") + "/", timeout=timeout) as session:
        yield session


async def _call(session: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> Any:
    """Return the answer's document, None where there is no such thing. Raises RegistryError."""
    import aiohttp  # noqa: PLC0415  as above

    try:
        async with session.request(method, path, json=body, headers={"Content-Type": _CONTENT_TYPE}) as answer:
            if answer.status == _NOT_FOUND and method == "GET":
                return None
            if not answer.ok:
                raise RegistryError(
                    f"The registry refused {method} {path}: {answer.status} {(await answer.text())[:200]}"
                )
            return await answer.json(content_type=None)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise RegistryError(f"The registry does not answer {method} {path}: {error!r}") from error
