"""What the gateway reads: every account of one user, in a world that may change meanwhile. Real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from bot.sandbox.api import SECRET, cursor
from bot.sandbox.faults import Alter, Before, LoopingCursor
from bot.sandbox.model import Body
from bot.sandbox.project import Project
from bot.sandbox.standin import StandIn
from cogs.integrations.composio import accounts as module
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.accounts import Account
from cogs.integrations.mirror.errors import ComposioUnavailableError, Trouble
from tests.cogs.conftest import DAY, NOW, USER

pytestmark = pytest.mark.quick

Change = Callable[[Project], object]


def every_item(**fields: object) -> Alter:
    return Alter(lambda body: [item.update(fields) for item in body["items"]])


def without(field: str) -> Alter:
    return Alter(lambda body: [item.pop(field) for item in body["items"]])


async def only(gateway: ComposioGateway) -> Account:
    [account] = await gateway.accounts(USER)
    return account


# Which accounts


async def test_all_pages_are_read(standin: StandIn, gateway: ComposioGateway) -> None:
    made = [standin.connect("gmail", age=n * DAY).id for n in range(250)]

    accounts = await gateway.accounts(USER)

    assert [account.id for account in accounts] == made
    assert len(standin.requests) == 3
    for sent in standin.requests:
        assert sent.query["limit"] == "100"
        assert sent.query["account_type"] == "ALL"
        assert sent.query["user_ids"] == USER


async def test_a_user_without_accounts_has_none(gateway: ComposioGateway) -> None:
    assert await gateway.accounts(USER) == []


async def test_the_newest_account_comes_first(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.connect("gmail", id="ca_middle", age=2 * DAY)
    standin.connect("gmail", id="ca_new", age=DAY)
    standin.connect("gmail", id="ca_old", age=3 * DAY)
    standin.expire("ca_old")  # touched last

    assert [account.id for account in await gateway.accounts(USER)] == ["ca_new", "ca_middle", "ca_old"]


async def test_shared_accounts_are_included(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.connect("gmail", id="ca_shared", account_type="SHARED")

    assert (await only(gateway)).id == "ca_shared"


async def test_another_users_accounts_are_not_asked_for(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.connect("gmail", user_id="somebody-else")

    assert await gateway.accounts(USER) == []


async def test_another_users_account_is_dropped_when_it_comes_anyway(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    standin.connect("gmail", id="ca_mine")
    standin.connect("gmail", id="ca_theirs", age=DAY)
    standin.fail(Alter(lambda body: body["items"][1].update(user_id="somebody-else")))

    assert (await only(gateway)).id == "ca_mine"


async def test_only_some_toolkits_can_be_asked_for(standin: StandIn, gateway: ComposioGateway) -> None:
    for toolkit in ("gmail", "notion", "googledrive"):
        standin.connect(toolkit, id=f"ca_{toolkit}")

    found = await gateway.accounts(USER, ["gmail", "googledrive"])

    assert {account.id for account in found} == {"ca_gmail", "ca_googledrive"}
    # Composio is not asked to choose: it may refuse a slug of the catalogue that it does not know.
    assert "toolkit_slugs" not in standin.requests[0].query


# What is known of an account


async def test_an_account_tells_what_composio_knows(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.connect("gmail", id="ca_1", alias="work", age=DAY)
    standin.disable("ca_1")

    assert await only(gateway) == Account(
        id="ca_1",
        toolkit="gmail",
        status="INACTIVE",
        created_at=NOW - DAY,
        updated_at=NOW,
        reason="Connection status updated by user",
        is_disabled=True,
        name="work",
    )


async def test_a_single_account_reads_like_one_of_a_list(standin: StandIn, gateway: ComposioGateway) -> None:
    made = standin.connect("Gmail", alias="work", age=DAY)

    assert await gateway.account(made.id) == await only(gateway)


async def test_a_single_account_that_is_gone_is_none(gateway: ComposioGateway) -> None:
    assert await gateway.account("ca_nobody") is None


async def test_an_unknown_status_is_kept_and_not_usable(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.connect("gmail", status="SLEEPING")

    account = await only(gateway)

    assert (account.status, account.usable) == ("SLEEPING", False)


@pytest.mark.parametrize(
    ("status", "is_disabled", "usable"),
    [("ACTIVE", False, True), ("ACTIVE", True, False), ("EXPIRED", False, False)],
)
async def test_an_account_is_usable_when_it_is_active_and_not_disabled(
    standin: StandIn, gateway: ComposioGateway, status: str, is_disabled: bool, usable: bool
) -> None:
    standin.connect("gmail", status=status, is_disabled=is_disabled)

    assert (await only(gateway)).usable is usable


async def test_an_upper_case_slug_is_folded(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.connect("GoogleDrive")

    assert (await only(gateway)).toolkit == "googledrive"


@pytest.mark.parametrize(
    ("alias", "word_id", "name"),
    [
        ("work", "gmail_red-castle", "work"),
        (None, "gmail_red-castle", "gmail_red-castle"),
        (" \n ", "gmail_red-castle", "gmail_red-castle"),
        (None, None, "…abcdef"),
        ("", "", "…abcdef"),
    ],
)
async def test_an_account_is_called_by_alias_or_word_or_end_of_its_id(
    standin: StandIn, gateway: ComposioGateway, alias: str | None, word_id: str | None, name: str
) -> None:
    standin.connect("gmail", id="ca_123abcdef", alias=alias, word_id=word_id)

    assert (await only(gateway)).name == name


@pytest.mark.parametrize("field", ["alias", "word_id", "status_reason", "is_disabled", "user_id"])
async def test_what_may_be_absent_is_not_missed(standin: StandIn, gateway: ComposioGateway, field: str) -> None:
    made = standin.connect("gmail")
    standin.fail(without(field))

    assert (await only(gateway)).id == made.id


@pytest.mark.parametrize("bad", ["\0", "\n", "\r\n", "\x1b", "\x7f", "\u2028", "\u202e"])
async def test_control_characters_are_removed_from_what_people_read(
    standin: StandIn, gateway: ComposioGateway, bad: str
) -> None:
    standin.connect("gmail", alias=f"{bad}my{bad}mail{bad}", status_reason=f"be{bad}cause{bad}")

    account = await only(gateway)

    assert account.name.split() == ["my", "mail"]
    assert (account.reason or "").split() == ["be", "cause"]
    assert bad not in account.name + (account.reason or "")


async def test_a_text_that_is_too_long_is_cut(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.connect("gmail", status_reason="r" * 1000, alias="a" * 1000)

    account = await only(gateway)

    assert (account.reason, account.name) == ("r" * 300, "a" * 100)


async def test_a_time_without_a_zone_is_utc(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.connect("gmail")
    standin.fail(every_item(created_at="2026-11-22T10:00:00"))

    assert (await only(gateway)).created_at == NOW


async def test_an_account_tells_no_token(standin: StandIn, gateway: ComposioGateway) -> None:
    made = standin.connect("gmail")

    assert SECRET not in repr(await only(gateway)) + repr(await gateway.account(made.id))


# Worlds that change between pages


def replace(*removed: int, connected: int = 0) -> Change:
    """Remove some of the accounts ``ca_0``, ``ca_1`` … and connect new ones, all at once."""

    def change(project: Project) -> None:
        for number in removed:
            project.remove(f"ca_{number}")
        for _ in range(connected):
            project.connect("gmail")

    return change


@pytest.mark.parametrize("page", [1, 2], ids=["second page", "last page"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(replace(0), id="one read before is removed"),
        pytest.param(replace(2), id="the last of the first page is removed"),
        pytest.param(replace(7), id="one of the last page is removed"),
        pytest.param(replace(0, 4, 7), id="one of each page is removed"),
        pytest.param(replace(6, 7), id="the whole last page is removed"),
        pytest.param(replace(0, 1, 2), id="the whole first page is removed"),
        pytest.param(replace(connected=1), id="one is connected"),
        pytest.param(replace(connected=4), id="more than a page is connected"),
        pytest.param(replace(0, connected=1), id="one read before is replaced"),
        pytest.param(replace(7, connected=1), id="one of the last page is replaced"),
        pytest.param(replace(2, 3, connected=2), id="two around the edge are replaced"),
        pytest.param(replace(0, 7, connected=2), id="first and last are replaced"),
        pytest.param(replace(0, 1, 7, connected=1), id="three are removed and one is connected"),
    ],
)
async def test_a_change_between_pages_is_seen_whole_or_not_at_all(
    standin: StandIn, gateway: ComposioGateway, change: Change, page: int
) -> None:
    standin.max_page = 3
    before = {standin.connect("gmail", id=f"ca_{n}", age=(n + 1) * DAY).id for n in range(8)}
    standin.fail(Before(change), skip=page)

    found = [account.id for account in await gateway.accounts(USER)]

    assert set(found) in (before, set(standin.accounts))
    assert len(found) == len(set(found))


async def test_changes_during_two_reads_are_over_in_the_third(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.max_page = 2
    for n in range(4):
        standin.connect("gmail", id=f"ca_{n}", age=(n + 1) * DAY)
    standin.fail(Before(replace(0)), skip=1)
    standin.fail(Before(replace(1, connected=2)), skip=2)

    found = [account.id for account in await gateway.accounts(USER)]

    assert sorted(found) == sorted(standin.accounts)


async def test_an_account_that_is_on_two_pages_is_counted_once(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.max_page = 1
    made = [standin.connect("gmail", age=n * DAY).id for n in range(3)]
    first: list[Any] = []

    def repeat_the_first(body: Body) -> None:
        first[:] = first or body["items"]
        body["items"] = first + body["items"]

    standin.fail(Alter(repeat_the_first), times=None)

    assert [account.id for account in await gateway.accounts(USER)] == made


async def test_a_world_that_never_stops_changing_is_unstable(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.max_page = 2
    for n in range(3):
        standin.connect("gmail", age=n * DAY)
    standin.fail(Before(lambda project: project.connect("gmail")), times=None)

    with pytest.raises(ComposioUnavailableError) as caught:
        await gateway.accounts(USER)

    assert caught.value.trouble is Trouble.UNSTABLE
    assert len(standin.requests) < 100


async def test_pages_that_lead_in_a_circle_are_unreadable(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.connect("gmail")
    standin.fail(LoopingCursor(), times=None)

    with pytest.raises(ComposioUnavailableError) as caught:
        await gateway.accounts(USER)

    assert caught.value.trouble is Trouble.UNREADABLE
    assert len(standin.requests) == 2


async def test_pages_that_never_end_are_unreadable(
    standin: StandIn, gateway: ComposioGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PAGES", 7)
    standin.connect("gmail")
    numbers = count(1)
    standin.fail(Alter(lambda body: body.update(next_cursor=cursor(next(numbers)))), times=None)

    with pytest.raises(ComposioUnavailableError) as caught:
        await gateway.accounts(USER)

    assert caught.value.trouble is Trouble.UNREADABLE
    assert len(standin.requests) == 7
