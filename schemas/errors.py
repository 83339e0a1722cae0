"""What can be wrong with a message. `reason` is the short word that dead letters and metrics carry."""

from __future__ import annotations

from typing import ClassVar


class SchemaError(Exception):
    """The root of all errors of this package."""

    reason: ClassVar[str] = "schema_error"


# --- reading ----------------------------------------------------------------------------------------------------------


class DecodeError(SchemaError):
    """These bytes are no message of ours; the record belongs in dead.letters."""

    reason = "undecodable"


class EmptyValueError(DecodeError):
    """The value is null or empty. Only compacted topics have such records (tombstones); ask for those before decoding."""

    reason = "empty_value"


class NotWireFormatError(DecodeError):
    """The value does not begin with 0x00 and a 4-byte schema id; produce it with a Confluent Avro serializer."""

    reason = "not_wire_format"


class UnknownSchemaIdError(DecodeError):
    """The schema id is in no lock that this process knows; upgrade it, or register the schema before producing."""

    reason = "unknown_schema_id"


class TruncatedBodyError(DecodeError):
    """The body ends before the record does."""

    reason = "truncated_body"


class TrailingBytesError(DecodeError):
    """Bytes are left after the record; it was probably written with another schema than its id says."""

    reason = "trailing_bytes"


class MalformedBodyError(DecodeError):
    """The body is no Avro encoding of its schema."""

    reason = "malformed_body"


class InvalidFieldError(DecodeError):
    """A field holds what its type or our limits do not allow."""

    reason = "invalid_field"


# --- writing ----------------------------------------------------------------------------------------------------------


class EncodeError(SchemaError):
    """This message cannot be written; the code that built it is wrong."""

    reason = "unencodable"


class UnregisteredMessageError(EncodeError):
    """The message is not in the lock as it stands in the code; run `python -m schemas.codec.register`."""

    reason = "unregistered_message"


class CodecError(SchemaError):
    """The compiled codec is required by LASTUNIT_CODEC and is not built."""

    reason = "no_compiled_codec"


# --- the lock ---------------------------------------------------------------------------------------------------------


class LockError(SchemaError):
    """The lock or the schemas beside it cannot be used; `python -m schemas.codec.check` says what to do."""

    reason = "broken_lock"


# --- ids and money ----------------------------------------------------------------------------------------------------


class InvalidIdError(SchemaError):
    """The text is no id of the kind that is asked for."""

    reason = "invalid_id"


class MoneyError(SchemaError):
    """The root of the errors about money."""

    reason = "invalid_money"


class UnknownCurrencyError(MoneyError):
    """The code is no currency that ISO 4217 gives a minor unit to."""

    reason = "unknown_currency"


class InexactAmountError(MoneyError):
    """The amount is no whole number of minor units that fits 64 bits; round it before, where the rule is known."""

    reason = "inexact_amount"
