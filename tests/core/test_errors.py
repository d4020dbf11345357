"""Errors: every one has a place in the tree and in the table of how it is shown."""

import pytest

from switchpoint.core import errors

CLASSES = [
    found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, errors.SwitchpointError)
]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_has_a_status_a_type_and_an_exit_code(error: type[errors.SwitchpointError]) -> None:
    assert error in errors.SURFACE


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_is_drawn_in_the_tree(error: type[errors.SwitchpointError]) -> None:
    assert error.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("error", [e for e in CLASSES if issubclass(e, errors.RequestError)])
def test_a_caller_is_told_by_a_status_of_4xx_that_it_is_his_to_mend(error: type[errors.SwitchpointError]) -> None:
    assert 400 <= errors.SURFACE[error].status < 500


def test_nearest_is_silent_where_nothing_is_near() -> None:
    assert errors.nearest("zzz", ["mini", "big"]) == ""
