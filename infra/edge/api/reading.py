"""From the bytes of a body to what it means, or to the list of all that is wrong with it.

msgspec decodes a good body in one go and stops at the first fault of a bad one; only then is the body walked again, field
by field, to find the others. Of two members of one name it takes the last; a proxy that checked the body may have read the
first, so such a body is refused (RFC 8259, 4).
"""

from __future__ import annotations

import json
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from infra.edge.api.problems import UNREADABLE, Fault, ProblemError, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_FAULTS: Final = 100
"""How many faults are listed; whoever mends them finds the rest."""
MAX_DEPTH: Final = 16
"""Objects and lists within each other; no request needs more than four."""

Check: TypeAlias = "Callable[[Any], str | None]"
T = TypeVar("T", bound=msgspec.Struct)


def read(body: bytes, kind: type[T]) -> T:
    """Return a body as a struct. Raises ProblemError with every fault of it."""
    try:
        struct = msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _problem(body, kind, error) from error
    if (name := _repeated_name(body, is_shallow=_plan_of(kind).holds_raw)) is not None:
        raise ProblemError(UNREADABLE, f"the name {name[:100]!r} comes more than once in one object")
    if faults := list(islice(_faults_of_fields(struct, ""), MAX_FAULTS)):
        raise invalid(faults)
    return struct


def _repeated_name(body: bytes, *, is_shallow: bool) -> str | None:
    """Return a name that comes more than once in one object of a document, in its outermost one alone if `is_shallow`, or None.

    A member that was dropped took the quotes of its name along. An escape could stand in for them; only then is each name looked at.
    """
    if b"\\u" not in body:
        if is_shallow:
            members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
            left = 2 * len(members) + sum(bytes(member).count(b'"') for member in members.values())
        else:
            left = msgspec.json.encode(msgspec.json.decode(body)).count(b'"')
        if left == body.count(b'"'):
            return None
    repeated: list[str] = []

    def note(members: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in members]
        if is_shallow:
            repeated.clear()  # the outermost object comes last
        if len(set(names)) < len(names):
            repeated.append(next(name for name in names if names.count(name) > 1))

    json.loads(body, object_pairs_hook=note)
    return repeated[0] if repeated else None


class _Plan(msgspec.Struct, frozen=True):
    """What of a struct's fields is checked beyond their types, which are lists of structs, and whether one is of what is read later."""

    checks: tuple[tuple[str, Check], ...]
    lists: tuple[str, ...]
    holds_raw: bool


@cache
def _plan_of(kind: type[msgspec.Struct]) -> _Plan:
    hints = get_type_hints(kind, include_extras=True)
    checks = tuple((name, check) for name, hint in hints.items() if (check := _check_of(hint)) is not None)
    lists = tuple(name for name, hint in hints.items() if _is_struct(_element_of(hint)))
    return _Plan(checks, lists, any(_element_of(hint) is msgspec.Raw for hint in hints.values()))


def _faults_of_fields(struct: msgspec.Struct, pointer: str) -> Iterator[Fault]:
    """Yield what is wrong with a struct all of whose fields have the right types."""
    plan = _plan_of(type(struct))
    for name, check in plan.checks:
        if (value := getattr(struct, name)) is not None and (detail := check(value)) is not None:
            yield Fault(detail, pointer=f"{pointer}/{name}")
    for name in plan.lists:
        for number, element in enumerate(getattr(struct, name)):
            yield from _faults_of_fields(element, f"{pointer}/{name}/{number}")


def _check_of(hint: Any) -> Check | None:
    """Return the check that a field's type names in its metadata, itself or within `... | None`."""
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.extra and "check" in meta.extra:
            check: Check = meta.extra["check"]
            return check
    if _element_of(hint) is not None:
        return None
    return next((element_check for option in get_args(hint) if (element_check := _check_of(option)) is not None), None)


def _element_of(hint: Any) -> Any:
    plain = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
    return get_args(plain)[0] if get_origin(plain) is list else None


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _problem(body: bytes, kind: type[msgspec.Struct], error: Exception) -> ProblemError:
    try:
        document = msgspec.json.decode(body) if body.strip() else None
    except RecursionError:
        return ProblemError(UNREADABLE, f"objects and lists lie deeper than {MAX_DEPTH} within each other")
    except (msgspec.DecodeError, UnicodeDecodeError) as unreadable:
        return ProblemError(UNREADABLE, str(unreadable))
    if _is_deeper(document, MAX_DEPTH):
        return ProblemError(UNREADABLE, f"objects and lists lie deeper than {MAX_DEPTH} within each other")
    if not body.strip():
        return ProblemError(UNREADABLE, "the body is empty")
    faults = list(islice(faults_of(document, kind), MAX_FAULTS))
    return invalid(faults or [Fault(str(error), pointer="")])


def _is_deeper(document: Any, depth: int) -> bool:
    """Return whether a document has more levels than `depth`, level by level, so that none is too deep to be looked at."""
    level = [document]
    for _ in range(depth + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def faults_of(document: Any, kind: Any, pointer: str = "") -> Iterator[Fault]:
    """Yield every fault of a decoded document that is to be of a type."""
    if _element_of(kind) is msgspec.Raw:
        kind = Annotated[list[Any], *kind.__metadata__]  # what is in it is read later
    plain = get_args(kind)[0] if hasattr(kind, "__metadata__") else kind
    if _is_struct(plain) and isinstance(document, dict):
        yield from _faults_of_object(document, plain, pointer)
        return
    has_faults = False
    if (element_kind := _element_of(kind)) is not None and isinstance(document, list):
        for number, element in enumerate(document):
            for fault in faults_of(element, element_kind, f"{pointer}/{number}"):
                has_faults = True
                yield fault
    if has_faults:
        return
    try:
        value = msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        yield Fault(_text(error), pointer=pointer)
        return
    if value is not None and (check := _check_of(kind)) is not None and (detail := check(value)) is not None:
        yield Fault(detail, pointer=pointer)


def _faults_of_object(document: dict[str, Any], kind: type[msgspec.Struct], pointer: str) -> Iterator[Fault]:
    hints = get_type_hints(kind, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name, field in fields.items():
        place = f"{pointer}/{_escaped(name)}"
        if name in document:
            yield from faults_of(document[name], hints[field.name], place)
        elif field.required:
            yield Fault("is missing", pointer=place)
    for name in (name for name in document if name not in fields):
        yield Fault(f"is unknown; known are {', '.join(fields)}", pointer=f"{pointer}/{_escaped(name)}")


def _escaped(name: str) -> str:
    return name[:200].replace("~", "~0").replace("/", "~1")


def _text(error: msgspec.ValidationError) -> str:
    """Return msgspec's own words without the place at their end, which the pointer names."""
    text = str(error).partition(" - at `$")[0]
    return f"{text[0].lower()}{text[1:]}" if text else "cannot be used"
