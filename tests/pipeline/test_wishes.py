"""What interceptors are shown is a copy of their own, and what they want is checked."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from callgate.pipeline.attaching import Attachment
from callgate.pipeline.wishes import Copies
from callgate.protocol.jsonrpc import encode
from callgate.scrutiny import Passive

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.dictionaries(
    TEXT, SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(TEXT, SCALARS), max_size=4
)


class Rough(Passive):
    is_gentle = False


ROUGH = Attachment("rough", Rough(), frozenset({"request"}))
GENTLE = Attachment("gentle", Passive(), frozenset({"request"}))


def typed(value: Any) -> Any:
    """The value, told apart from one of other types: 1 from 1.0, and from true."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else (type(value), value)


@given(VALUES)
def test_each_is_shown_what_the_text_says_and_changes_only_its_own(value: dict[str, Any]) -> None:
    text = encode(value)
    copies = Copies(value)

    first, second = copies.of(ROUGH), copies.of(ROUGH)
    spoil(first)

    assert typed(second) == typed(msgspec.json.decode(text))
    assert encode(value) == text
    assert typed(copies.of(ROUGH)) == typed(second)


def spoil(value: Any) -> None:
    for item in list(value.values()):
        if isinstance(item, dict | list):
            item.clear()
    value.clear()
    value["spoiled"] = True


def test_who_changes_nothing_is_shown_the_value_itself() -> None:
    value = {"a": 1}

    assert Copies(value).of(GENTLE) is value
