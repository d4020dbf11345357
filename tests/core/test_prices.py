"""List prices: from the library of the install, and unknown where it does not know."""

from decimal import Decimal

from switchpoint.core.prices import list_price


def test_a_vendors_model_has_its_list_price() -> None:
    found = list_price("gpt-4o", "https://api.openai.com/v1")

    assert found is not None
    assert (found.input_usd_per_mtok, found.output_usd_per_mtok) == (Decimal("2.5"), Decimal("10"))
    assert found.source == "genai-prices openai/gpt-4o"


def test_a_server_of_ones_own_has_no_list_price_whatever_its_models_are_called() -> None:
    assert list_price("gpt-4o", "http://127.0.0.1:8000/v1") is None


def test_an_unlisted_model_has_no_price() -> None:
    assert list_price("nobody-knows-this", "https://api.openai.com/v1") is None
