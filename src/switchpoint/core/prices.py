"""List prices from the price library of the install; nothing is fetched, and the configuration overrides them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPrice:
    """What a vendor asks for a model; None is unknown, never zero.

    source : where the figures come from, for a person to check.
    """

    input_usd_per_mtok: Decimal | None
    cached_input_usd_per_mtok: Decimal | None
    cache_write_usd_per_mtok: Decimal | None = None
    output_usd_per_mtok: Decimal | None
    context_tokens: int | None
    source: str


def list_price(model: str, base_url: str | None = None) -> ListPrice | None:
    """Look a model's price up by its upstream name and the address it is called at; None where it is not listed.

    An address that belongs to no known vendor (a server of one's own) has no list price, whatever its models are
    called. Prices that rise with the length of the input are taken at their base.
    """
    from genai_prices.data_snapshot import get_snapshot

    try:
        provider, info = get_snapshot().find_provider_model(model, None, None, base_url)
    except LookupError:
        return None
    price = info.get_prices(datetime.now(UTC))
    return ListPrice(
        input_usd_per_mtok=_base(price.input_mtok),
        cached_input_usd_per_mtok=_base(price.cache_read_mtok),
        cache_write_usd_per_mtok=_base(price.cache_write_mtok),
        output_usd_per_mtok=_base(price.output_mtok),
        context_tokens=info.context_window,
        source=f"genai-prices {provider.id}/{info.id}",
    )


def _base(price: Any) -> Decimal | None:
    """A price is a number, or tiers over a base."""
    return price if price is None or isinstance(price, Decimal) else Decimal(price.base)
