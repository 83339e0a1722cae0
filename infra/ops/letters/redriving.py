"""Sends dead letters on their way again: through their own topics, so every room's duplicate check sees them.

Decision: docs/decisions, 049.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from infra.base.errors import InfraError
from infra.ops.letters.reading import ACKNOWLEDGE, EXPIRE, REDRIVE, Letter, shown_key, subject_of
from producers.publisher import BY_KEY, FORWARDED, Outgoing
from schemas.codec.wire import encode
from schemas.errors import SchemaError
from schemas.messages import OperatorAction
from topology.topics import LOG_NAMES, OPERATOR_ACTIONS, TOPIC_NAMES, key_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from producers.publisher import Publisher
    from schemas.messages import Message

REDRIVEN: Final = "lastunit_redriven"
"""The header that a redriven record has beside its own: the letter that it was, as dead.letters/3/17."""
_ROOM: Final = 512 * 1024  # bytes of records in one list to publish


class Redrive(msgspec.Struct, frozen=True):
    """One letter to be sent again, and as what. `changed` names the fields that were edited."""

    letter: Letter
    record: Outgoing
    changed: tuple[str, ...] = ()


def plan(letters: Sequence[Letter], changes: Mapping[str, Any] | None = None) -> list[Redrive]:
    """Return what to publish, in the original order: by topic, partition and offset, so of each key too.

    `changes` are new values of a message's fields. A record that was in the wrong partition goes to the right one.
    Raises UneditableError.
    """
    ordered = sorted(letters, key=lambda letter: (letter.source.topic, letter.source.partition, letter.source.offset))
    return [_redrive(letter, changes or {}) for letter in ordered]


def _redrive(letter: Letter, changes: Mapping[str, Any]) -> Redrive:
    source = letter.source
    key, value = source.key, source.value
    if changes:
        edited = _edited(letter, changes)
        key, value = key_of(edited), encode(edited)
    elif (message := letter.message) is not None and source.topic in _topics_of(type(message)):
        key = key_of(message)  # a record that came without its key, or with another, belongs under this one
    headers = tuple((name, content) for name, content in source.headers.items() if name not in {FORWARDED, REDRIVEN})
    headers = (*headers, (REDRIVEN, subject_of(letter.id).encode()))
    partition = source.partition if key is None else BY_KEY
    return Redrive(letter, Outgoing(source.topic, partition, key, value, headers=headers), tuple(changes))


def _topics_of(message: type[Message]) -> set[str | None]:
    return {TOPIC_NAMES.get(message), LOG_NAMES.get(message)}


def _edited(letter: Letter, changes: Mapping[str, Any]) -> Any:
    message = letter.message
    if message is None:
        raise UneditableError(letter, "nothing can be read in its value; publish the right record with a producer")
    if unknown := changes.keys() - set(message.__struct_fields__):
        names = ", ".join(message.__struct_fields__)
        raise UneditableError(letter, f"a {type(message).__name__} has no {', '.join(sorted(unknown))}, but {names}")
    try:
        edited = msgspec.convert(msgspec.to_builtins(message) | dict(changes), type(message))
        encode(edited)
    except (msgspec.ValidationError, SchemaError) as error:
        raise UneditableError(letter, str(error)) from error
    return edited


async def redrive(publisher: Publisher, planned: Sequence[Redrive], *, by: str, why: str) -> None:
    """Publish the records in their order, each before the note that it was; both are acknowledged on return.

    A crash in between leaves a letter open that was sent: sending it again is harmless, as the rooms know duplicates.
    Raises PublishError.
    """
    batch: list[Redrive] = []
    for each in planned:
        batch.append(each)
        if sum(len(one.record.value or b"") for one in batch) >= _ROOM:
            await _publish(publisher, batch, by, why)
            batch = []
    await _publish(publisher, batch, by, why)


async def _publish(publisher: Publisher, batch: Sequence[Redrive], by: str, why: str) -> None:
    await publisher.publish([each.record for each in batch])
    await note(publisher, batch, by=by, why=why)


async def note(publisher: Publisher, sent: Sequence[Redrive], *, by: str, why: str) -> None:
    """Note that these records were sent again. Raises PublishError."""
    await publisher.publish(
        [_note(each.letter, REDRIVE, by, why, f"changed: {', '.join(each.changed) or 'nothing'}") for each in sent]
    )


async def acknowledge(publisher: Publisher, letters: Sequence[Letter], *, by: str, why: str) -> None:
    """Note that nothing is to be done about these letters. Raises PublishError."""
    await publisher.publish([_note(letter, ACKNOWLEDGE, by, why, letter.source.reason) for letter in letters])


async def expire(publisher: Publisher, letters: Sequence[Letter], *, by: str, why: str) -> None:
    """Note that these letters were open for too long. Raises PublishError."""
    await publisher.publish([_note(letter, EXPIRE, by, why, letter.source.reason) for letter in letters])


def _note(letter: Letter, action: str, by: str, why: str, detail: str) -> Outgoing:
    subject = subject_of(letter.id)
    note = OperatorAction(subject=subject, action=action, by=by, why=why, detail=detail)
    return Outgoing(OPERATOR_ACTIONS.name, BY_KEY, subject.encode(), encode(note))


class UneditableError(InfraError):
    """A dead letter cannot be changed as asked."""

    def __init__(self, letter: Letter, why: str) -> None:
        super().__init__(f"Dead letter {letter.id} (key {shown_key(letter.source.key)!r}) cannot be changed so: {why}.")
