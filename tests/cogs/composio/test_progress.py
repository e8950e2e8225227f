"""How far a read is, and of how many, whatever Composio says of the total. Real HTTP."""

from __future__ import annotations

import json

import pytest

from bot.sandbox.faults import Alter, Before, Raw
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from tests.cogs.conftest import DAY, NOW, USER

Told = list[tuple[int, int | None]]


def five_on_three_pages(standin: StandIn) -> list[str]:
    standin.max_page = 2
    return [standin.connect("gmail", age=number * DAY).id for number in range(5)]


async def read(gateway: ComposioGateway) -> tuple[list[str], Told]:
    told: Told = []
    found = await gateway.accounts(USER, progress=lambda read, total: told.append((read, total)))
    return [account.id for account in found], told


async def test_each_page_but_the_last_tells_how_far_it_is(standin: StandIn, gateway: ComposioGateway) -> None:
    made = five_on_three_pages(standin)

    assert await read(gateway) == (made, [(2, 5), (4, 5)])


async def test_a_single_page_tells_nothing(standin: StandIn, gateway: ComposioGateway) -> None:
    made = standin.connect("gmail").id

    assert await read(gateway) == ([made], [])


async def test_who_does_not_ask_is_not_told(standin: StandIn, gateway: ComposioGateway) -> None:
    made = five_on_three_pages(standin)

    assert [account.id for account in await gateway.accounts(USER)] == made


async def test_a_read_that_begins_anew_counts_anew(standin: StandIn, gateway: ComposioGateway) -> None:
    five_on_three_pages(standin)
    standin.fail(Before(lambda project: project.connect("gmail")), skip=1)

    _, told = await read(gateway)

    assert [count for count, _ in told] == [2, 3, 2, 4]
    assert told[-1] == (4, 6)


@pytest.mark.parametrize(
    ("total", "told"),
    [
        ("5", 5),
        ("5.0", 5),
        ("null", None),
        ("Infinity", None),
        ("-Infinity", None),
        ("NaN", None),
        ("1e400", None),
    ],
)
async def test_a_total_that_is_no_number_of_accounts_is_not_told(
    standin: StandIn, gateway: ComposioGateway, total: str, told: int | None
) -> None:
    items = [
        {
            "id": f"ca_{number}",
            "toolkit": {"slug": "gmail"},
            "status": "ACTIVE",
            "created_at": NOW.isoformat(),
            "updated_at": NOW.isoformat(),
        }
        for number in range(2)
    ]
    for _ in range(2):  # a total that differs from itself makes it look a second time
        for number, cursor in enumerate(('"next"', "null")):
            body = f'{{"items": {json.dumps(items[number : number + 1])}, "next_cursor": {cursor}, '
            standin.fail(Raw(f'{body}"total_items": {total}}}'.encode()))

    assert await read(gateway) in (
        (["ca_0", "ca_1"], [(1, told)]),
        (["ca_0", "ca_1"], [(1, told), (1, told)]),
    )


async def test_a_total_that_is_missing_is_not_told(standin: StandIn, gateway: ComposioGateway) -> None:
    made = five_on_three_pages(standin)
    standin.fail(Alter(lambda body: body.pop("total_items")), times=None)

    assert await read(gateway) == (made, [(2, None), (4, None)])
