"""The demo's shop: the functions behind the target."""

from pathlib import Path

import pytest

from callgate.demo.template import shop
from callgate.upstream.functions import ToolFault, load_functions

TEMPLATE = Path(shop.__file__).parent


def test_its_public_functions_are_the_tools() -> None:
    tools = load_functions("callgate.demo.template.shop", TEMPLATE)

    assert set(tools) == {
        "find_customer",
        "list_orders",
        "refund",
        "sales_report",
        "delete_customer",
    }


def test_every_tool_says_what_it_is_for() -> None:
    tools = load_functions("callgate.demo.template.shop", TEMPLATE)

    assert all(tool.definition["description"] for tool in tools.values())


def test_it_refunds_no_more_than_was_paid() -> None:
    with pytest.raises(ToolFault, match="45 euros of A-1003 are left"):
        shop.refund("A-1003", 46, "broken")


@pytest.mark.parametrize("amount", [0, -5])
def test_it_refunds_something_or_nothing(amount: int) -> None:
    with pytest.raises(ToolFault):
        shop.refund("A-1003", amount, "broken")


def test_an_unknown_customer_is_said_to_be_unknown() -> None:
    with pytest.raises(ToolFault, match="There is no customer C-99"):
        shop.find_customer("C-99")
