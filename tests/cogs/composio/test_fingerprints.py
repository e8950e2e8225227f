"""The fingerprint of a Composio user's accounts: what moves it, and what does not. Real HTTP."""

from __future__ import annotations

import pytest

from bot.sandbox.faults import Alter
from bot.sandbox.model import Body
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from tests.cogs.conftest import DAY, NOW, USER

pytestmark = pytest.mark.quick


async def fingerprint(gateway: ComposioGateway) -> str:
    return (await gateway.accounts_of([USER, "somebody-else"], 30.0)).found[USER].fingerprint


@pytest.fixture
def broken(standin: StandIn) -> StandIn:
    """With one account that works, and one that has expired."""
    standin.connect("gmail", id="ca_works", age=2 * DAY, alias="work", word_id="gmail_red-castle")
    standin.connect("notion", id="ca_expired", age=3 * DAY, alias=None, word_id="notion_calm-river")
    standin.expire("ca_expired")
    return standin


async def test_it_is_the_same_wherever_it_is_computed(broken: StandIn, gateway: ComposioGateway) -> None:
    # Processes of other versions compare it with theirs.
    assert await fingerprint(gateway) == "0f55cd6e1ff7058193e323efb5313b9b"


async def test_it_is_the_same_for_everybody_without_accounts(gateway: ComposioGateway) -> None:
    found = (await gateway.accounts_of(["a", "b"], 30.0)).found

    assert found["a"].fingerprint == found["b"].fingerprint == "7ebb3c7c2a87b1a2f8a7ed729ecb040d"


@pytest.mark.parametrize("account", ["ca_works", "ca_expired"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "ca_other"),
        ("toolkit", "linear"),
        ("status", "FAILED"),
        ("status_reason", "because"),
        ("is_disabled", True),
        ("alias", "else"),
        ("word_id", "else"),
        ("created_at", NOW - 9 * DAY),
    ],
)
async def test_whatever_a_row_is_made_of_moves_it(
    broken: StandIn, gateway: ComposioGateway, account: str, field: str, value: object
) -> None:
    before = await fingerprint(gateway)
    setattr(broken.accounts[account], field, value)

    assert await fingerprint(gateway) != before


async def test_the_refresh_of_a_token_does_not_move_it(broken: StandIn, gateway: ComposioGateway) -> None:
    before = await fingerprint(gateway)
    broken.accounts["ca_works"].updated_at += DAY

    assert await fingerprint(gateway) == before


@pytest.mark.parametrize("fields", [{"status": "EXPIRED"}, {"is_disabled": True}], ids=str)
async def test_a_touch_of_what_does_not_work_moves_it(
    broken: StandIn, gateway: ComposioGateway, fields: dict[str, object]
) -> None:
    broken.change("ca_works", **fields)
    before = await fingerprint(gateway)
    broken.accounts["ca_works"].updated_at += DAY

    assert await fingerprint(gateway) != before


@pytest.mark.parametrize("max_page", [1, 100])
async def test_no_order_moves_it(broken: StandIn, gateway: ComposioGateway, max_page: int) -> None:
    before = await fingerprint(gateway)

    def backwards(body: Body) -> None:
        body["items"] = [dict(reversed(item.items())) for item in reversed(body["items"])]

    broken.max_page = max_page
    broken.accounts = dict(reversed(broken.accounts.items()))
    broken.fail(Alter(backwards), times=None)

    assert await fingerprint(gateway) == before


async def test_what_is_missing_is_what_is_null(broken: StandIn, gateway: ComposioGateway) -> None:
    for account in broken.accounts.values():
        account.alias = account.word_id = account.status_reason = None
    before = await fingerprint(gateway)

    def bare(body: Body) -> None:
        for item in body["items"]:
            for field in ("alias", "word_id", "status_reason", "is_disabled"):
                del item[field]

    broken.fail(Alter(bare))

    assert await fingerprint(gateway) == before


@pytest.mark.parametrize("between", ["", "\0", "\n", ",", '","', "\x1f"])
async def test_no_text_pretends_to_be_two(standin: StandIn, gateway: ComposioGateway, between: str) -> None:
    made = standin.connect("gmail", alias=f"a{between}", word_id="b")
    before = await fingerprint(gateway)
    made.alias, made.word_id = "a", f"{between}b"

    assert (await fingerprint(gateway) == before) is (between == "")


# The times of those that are usable


async def times(gateway: ComposioGateway) -> str:
    return (await gateway.accounts_of([USER, "somebody-else"], 30.0)).found[USER].times


async def test_the_times_are_the_same_wherever_they_are_computed(
    broken: StandIn, gateway: ComposioGateway
) -> None:
    assert await times(gateway) == "292ac6cecf51fe18"
    broken.max_page = 1
    broken.accounts = dict(reversed(broken.accounts.items()))
    assert await times(gateway) == "292ac6cecf51fe18"


async def test_the_refresh_of_a_token_moves_the_times(broken: StandIn, gateway: ComposioGateway) -> None:
    before = await times(gateway)
    broken.accounts["ca_works"].updated_at += DAY

    assert await times(gateway) != before


@pytest.mark.parametrize("fields", [{"status": "EXPIRED"}, {"is_disabled": True}, {"id": "ca_other"}], ids=str)
async def test_another_set_of_usable_accounts_moves_the_times(
    broken: StandIn, gateway: ComposioGateway, fields: dict[str, object]
) -> None:
    before = await times(gateway)
    for name, value in fields.items():
        setattr(broken.accounts["ca_works"], name, value)

    assert await times(gateway) != before


async def test_what_is_not_usable_does_not_move_the_times(broken: StandIn, gateway: ComposioGateway) -> None:
    before = await times(gateway)
    broken.accounts["ca_expired"].updated_at += DAY
    broken.connect("linear", status="INITIATED")
    broken.accounts["ca_works"].alias = "else"

    assert await times(gateway) == before
