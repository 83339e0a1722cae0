"""The payment processor that the settings choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.base.errors import SettingsError
from infra.base.settings import PREFIX

if TYPE_CHECKING:
    from consumers.payments.processor import PaymentProcessor
    from infra.base.settings import Settings


def processor_of(settings: Settings) -> PaymentProcessor:
    """Return the processor that the settings choose, in a running event loop. Raises SettingsError where it lacks a key."""
    if settings.processor == "simulated":
        from consumers.payments.http_processor import HttpProcessor  # noqa: PLC0415  each only where it is chosen

        return HttpProcessor(settings.processor_url or "")
    from consumers.payments.stripe_processor import StripeProcessor  # noqa: PLC0415  same

    if not settings.stripe_api_key:
        raise SettingsError(f"{PREFIX}PROCESSOR is stripe: set {PREFIX}STRIPE_API_KEY to its secret key, sk_...")
    address = settings.processor_url or ""
    return StripeProcessor(settings.stripe_api_key, return_url=settings.stripe_return_url, address=address)
