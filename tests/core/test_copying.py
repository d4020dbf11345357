"""Copies of values with some fields changed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.copying import but
from switchpoint.core.query import Query


@given(st.text(), st.dictionaries(st.text(), st.text()), st.none() | st.floats(0, 1))
def test_a_copy_is_what_replace_makes(text: str, tags: dict, min_quality: float | None):
    query = Query.of(text)

    copy = but(query, tags=tags, min_quality=min_quality)

    assert copy == replace(query, tags=tags, min_quality=min_quality)
    assert query == Query.of(text)


def test_a_field_that_does_not_exist_is_refused():
    with pytest.raises(AttributeError):
        but(Query.of("Hi"), colour="red")
