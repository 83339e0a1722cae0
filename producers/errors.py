"""What can go wrong for publishers."""

from __future__ import annotations


class ProducerError(Exception):
    """Base of all errors of this package."""


class PublishError(ProducerError):
    """Kafka did not take the records; nothing is lost on our side: publish the same records again."""

    def __init__(self, bootstrap: str, records: int, seconds: float) -> None:
        super().__init__(
            f"Kafka at {bootstrap} did not acknowledge {records} records within {seconds:.0f} s. "
            "Check that the broker runs and that the topics exist (`lastunit topology check`), then send again: "
            "the same ids are harmless."
        )

    @classmethod
    def too_large(cls, topic: str, key: bytes | None, size: int) -> PublishError:
        """Build the error for a list of records whose largest, of `size` bytes, its topic does not take."""
        error = cls.__new__(cls)
        Exception.__init__(
            error,
            f"A record is larger than its topic takes; the largest is for {topic}, key {key!r}, with {size} bytes. "
            "Split it.",
        )
        return error


class InvalidRequestError(ProducerError):
    """A request is not as inventory would take it; nothing was published. The message says what to send instead."""


class InvalidOrderError(InvalidRequestError):
    """An order is not as it must be."""


class InvalidReceiptError(InvalidRequestError):
    """A receipt of stock is not as it must be."""


class InvalidStockCommandError(InvalidRequestError):
    """A command about a SKU is not as it must be."""


class InvalidOrderCommandError(InvalidRequestError):
    """A command about a placed order is not as it must be."""


class InvalidProductError(InvalidRequestError):
    """The product cannot be put as it is; the message says what is wrong with it."""


class UnusableFileError(ProducerError):
    """A file cannot be imported as a whole; what it already brought in stays, so importing it again is harmless."""


class UnusableOptionError(InvalidRequestError):
    """An option of an import can be followed for no file."""


class CartError(ProducerError):
    """Base of the errors of carts."""


class CartsUnavailableError(CartError):
    """Valkey does not answer; whether a change was taken is unknown."""


class CartChangedError(CartError):
    """The cart is at another version than the one that was expected; `version` is the present one."""

    def __init__(self, message: str, version: int) -> None:
        super().__init__(message)
        self.version = version


class CartFullError(CartError):
    """The cart has as many lines as it may; those that did not fit are not in it."""
