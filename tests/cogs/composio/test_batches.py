"""Many Composio users read with few requests: what each of them gets, and what a request costs. Real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from bot.sandbox.api import SECRET, cursor
from bot.sandbox.faults import Alter, Before, Cut, Fault, Html, LoopingCursor, Raw, Refuse, Reset
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.client import READ_RETRIES
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.accounts import Batch
from cogs.integrations.mirror.errors import (
    ComposioBusyError,
    ComposioError,
    ComposioRefusedError,
    ComposioUnavailableError,
    Trouble,
)
from tests.cogs.composio.broken import FAILURES, Kind
from tests.cogs.conftest import DAY, gateway_to

pytestmark = pytest.mark.quick

SECONDS = 30.0
LIKED_BY_NOBODY = [Refuse(400), Refuse(413), Html(414), Refuse(422), Html(400)]


def people(standin: StandIn, many: int, accounts: int = 1) -> list[str]:
    """So many Composio users, each with accounts of their own; their ages are mixed up."""
    users = [f"user-{number}" for number in range(many)]
    for turn in range(accounts):
        for number, user in enumerate(users):
            standin.connect("gmail", id=f"ca_{number}_{turn}", user_id=user, age=(turn * many + number + 1) * DAY)
    return users


async def read(gateway: ComposioGateway, users: Iterable[str]) -> Batch:
    return await gateway.accounts_of(list(users), SECONDS)


def ids(batch: Batch) -> dict[str, list[str]]:
    return {user: [account.id for account in found.accounts()] for user, found in batch.found.items()}


def at_composio(standin: StandIn, users: Iterable[str]) -> dict[str, list[str]]:
    made = sorted(standin.accounts.values(), key=lambda account: account.created_at, reverse=True)
    return {user: [account.id for account in made if account.user_id == user] for user in users}


def asked(standin: StandIn) -> list[int]:
    """How many users each request named."""
    return [len(sent.query["user_ids"].split(",")) for sent in standin.requests]


# What each user gets


async def test_each_user_gets_their_own_newest_first(standin: StandIn, gateway: ComposioGateway) -> None:
    users = people(standin, 50, accounts=5)

    batch = await read(gateway, users)

    assert ids(batch) == at_composio(standin, users)
    assert batch.failed == {}
    assert asked(standin) == [50] * 3
    for sent in standin.requests:
        assert (sent.query["limit"], sent.query["account_type"]) == ("100", "ALL")
        assert (sent.query["order_by"], sent.query["order_direction"]) == ("created_at", "desc")


async def test_an_account_is_what_a_read_of_that_user_alone_tells(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    users = people(standin, 3, accounts=2)
    standin.accounts["ca_1_0"].alias = "my\0 mail"
    standin.expire("ca_1_1")

    batch = await read(gateway, users)

    for user in users:
        assert batch.found[user].accounts() == await gateway.accounts(user)


async def test_who_has_no_account_is_found_too(standin: StandIn, gateway: ComposioGateway) -> None:
    people(standin, 1)

    batch = await read(gateway, ["user-0", "nobody", "no-one"])

    assert ids(batch) == {"user-0": ["ca_0_0"], "nobody": [], "no-one": []}
    assert len({found.fingerprint for found in batch.found.values()}) == 2


async def test_nobody_costs_no_request(standin: StandIn, gateway: ComposioGateway) -> None:
    assert await read(gateway, []) == Batch({}, {})
    assert standin.requests == []


async def test_who_is_named_twice_is_asked_for_once(standin: StandIn, gateway: ComposioGateway) -> None:
    people(standin, 2)

    assert ids(await read(gateway, ["user-1", "user-0", "user-1"])) == {"user-1": ["ca_1_0"], "user-0": ["ca_0_0"]}
    assert asked(standin) == [2]


async def test_the_account_of_a_user_who_was_not_asked_for_is_dropped(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    users = people(standin, 3)
    standin.fail(Alter(lambda body: body["items"][1].update(user_id="somebody-else")))

    assert ids(await read(gateway, users)) == {"user-0": ["ca_0_0"], "user-1": [], "user-2": ["ca_2_0"]}


# How many a request names


async def test_more_users_than_a_request_names_take_several(standin: StandIn, gateway: ComposioGateway) -> None:
    users = people(standin, 120)

    assert gateway.batch_size == 50
    assert ids(await read(gateway, users)) == at_composio(standin, users)
    assert asked(standin) == [50, 50, 20]


@pytest.mark.parametrize("letter", ["x", "é", " "])
@pytest.mark.parametrize("length", [100, 300, 5_000])
async def test_no_url_that_names_several_users_is_longer_than_4000(
    standin: StandIn, gateway: ComposioGateway, letter: str, length: int
) -> None:
    standin.max_page = 7
    users = (
        [f"{letter * length}{number}" for number in range(20)] if length < 5_000 else [letter * length, "short"]
    )
    for number, user in enumerate(users):
        standin.connect("gmail", user_id=user, age=number * DAY)

    batch = await read(gateway, users)

    assert batch.found.keys() | batch.failed.keys() == set(users)
    for sent, many in zip(standin.requests, asked(standin), strict=True):
        assert many == 1 or len(sent.origin + sent.target) <= 4_000


async def test_a_long_cursor_counts_too(standin: StandIn, gateway: ComposioGateway) -> None:
    users = [f"{'x' * 60}-{number:02}" for number in range(50)]
    for number, user in enumerate(users):
        standin.connect("gmail", user_id=user, age=number * DAY)
    standin.max_page = 20
    long = Alter(lambda body: body.update(next_cursor=body["next_cursor"] and "0" * 900 + body["next_cursor"]))
    standin.fail(long, times=None)

    with pytest.raises(ComposioError):  # the stand-in does not know such a cursor
        await read(gateway, users)

    assert max(asked(standin)) > 25
    assert all(len(sent.origin + sent.target) <= 4_000 for sent in standin.requests)


@pytest.mark.parametrize(("most", "size"), [(49, 25), (25, 25), (10, 7), (1, 1)])
async def test_how_many_composio_takes_is_found_out_once(
    standin: StandIn, gateway: ComposioGateway, most: int, size: int
) -> None:
    users = people(standin, 50)
    standin.max_users = most

    assert ids(await read(gateway, users)) == at_composio(standin, users)
    assert gateway.batch_size == size

    standin.requests.clear()
    assert ids(await read(gateway, users)) == at_composio(standin, users)
    assert asked(standin) == [size] * (50 // size) + [50 % size] * (50 % size > 0)


@pytest.mark.parametrize("fault", LIKED_BY_NOBODY, ids=repr)
async def test_a_request_that_is_not_liked_is_made_as_two(
    standin: StandIn, gateway: ComposioGateway, fault: Fault
) -> None:
    users = people(standin, 5)
    standin.fail(fault)

    assert ids(await read(gateway, users)) == at_composio(standin, users)
    assert asked(standin) == [5, 3, 2]
    assert gateway.batch_size == 3


# A user whom Composio refuses


@pytest.mark.parametrize("number", [0, 24, 49])
async def test_a_user_who_is_always_refused_fails_alone(
    standin: StandIn, gateway: ComposioGateway, number: int
) -> None:
    users = people(standin, 50)
    poison = users[number]
    standin.refused_users.add(poison)

    batch = await read(gateway, users)

    assert batch.failed.keys() == {poison}
    assert ids(batch) == at_composio(standin, set(users) - {poison})
    assert gateway.batch_size == 50
    assert len(standin.requests) <= 13


async def test_a_refused_user_is_asked_for_alone_until_answered(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    users = people(standin, 8)
    standin.refused_users.add("user-3")
    await read(gateway, users)

    standin.requests.clear()
    assert (await read(gateway, users)).failed.keys() == {"user-3"}
    assert asked(standin) == [7, 1]

    standin.refused_users.clear()
    assert ids(await read(gateway, users)) == at_composio(standin, users)
    standin.requests.clear()
    assert ids(await read(gateway, users)) == at_composio(standin, users)
    assert asked(standin) == [8]


async def test_when_everybody_is_refused_it_is_not_about_them(standin: StandIn, gateway: ComposioGateway) -> None:
    users = people(standin, 4)
    standin.fail(Html(400), times=None)

    assert (await read(gateway, users)).failed.keys() == set(users)

    standin.clear_faults()
    standin.requests.clear()
    assert ids(await read(gateway, users)) == at_composio(standin, users)
    assert asked(standin) == [4]


async def test_a_refused_user_and_too_many_at_the_same_time(standin: StandIn, gateway: ComposioGateway) -> None:
    users = people(standin, 50)
    standin.refused_users.add("user-5")
    standin.max_users = 10

    batch = await read(gateway, users)

    assert batch.failed.keys() == {"user-5"}
    assert ids(batch) == at_composio(standin, set(users) - {"user-5"})
    assert 5 <= gateway.batch_size <= 10


# Who cannot be told apart


async def test_users_who_cannot_be_told_apart_are_read_one_by_one(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    users = people(standin, 4, accounts=2)
    standin.names_users = False

    assert ids(await read(gateway, users)) == at_composio(standin, users)
    assert asked(standin) == [4, 1, 1, 1, 1]
    assert gateway.batch_size == 50


async def test_one_account_without_a_user_on_a_later_page_is_enough(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    users = people(standin, 4)
    standin.max_page = 2
    standin.fail(Alter(lambda body: body["items"][1].pop("user_id")), skip=1)

    assert ids(await read(gateway, users)) == at_composio(standin, users)
    assert asked(standin) == [4, 4, 1, 1, 1, 1]


async def test_one_by_one_a_refused_user_fails_alone_too(standin: StandIn, gateway: ComposioGateway) -> None:
    users = people(standin, 3)
    standin.names_users = False
    standin.fail(Before(lambda project: project.refused_users.add("user-1")), skip=1)

    batch = await read(gateway, users)

    assert batch.failed.keys() == {"user-1"}
    assert ids(batch) == {"user-0": ["ca_0_0"], "user-2": ["ca_2_0"]}


# Worlds that change between pages


@pytest.mark.parametrize("max_users", [None, 4], ids=["one request", "halves"])
async def test_a_change_between_pages_is_seen_whole(
    standin: StandIn, gateway: ComposioGateway, max_users: int | None
) -> None:
    users = people(standin, 8, accounts=2)
    standin.max_page, standin.max_users = 3, max_users
    standin.fail(Before(lambda project: project.remove("ca_0_0")), skip=2)

    assert ids(await read(gateway, users)) == at_composio(standin, users)


async def test_a_world_that_never_stops_changing_is_unstable(standin: StandIn, gateway: ComposioGateway) -> None:
    users = people(standin, 3)
    standin.max_page = 2
    standin.fail(Before(lambda project: project.connect("gmail", user_id="user-0")), times=None)

    assert await trouble_of(gateway, users) is Trouble.UNSTABLE


async def test_pages_that_lead_in_a_circle_are_unreadable(standin: StandIn, gateway: ComposioGateway) -> None:
    users = people(standin, 2)
    standin.fail(LoopingCursor(), times=None)

    assert await trouble_of(gateway, users) is Trouble.UNREADABLE


async def trouble_of(gateway: ComposioGateway, users: list[str]) -> Trouble:
    with pytest.raises(ComposioUnavailableError) as caught:
        await read(gateway, users)
    return caught.value.trouble


# Everything else that fails


OTHERS = {name: case for name, case in FAILURES.items() if name not in ("400", "422")}


@pytest.mark.parametrize("page", [0, 2], ids=["first page", "in the middle"])
@pytest.mark.parametrize(("fault", "kind"), [pytest.param(*case, id=name) for name, case in OTHERS.items()])
async def test_what_else_fails_fails_for_all(
    standin: StandIn, gateway: ComposioGateway, fault: Fault, kind: Kind, page: int
) -> None:
    users = people(standin, 6)
    standin.max_page = 1
    standin.fail(fault, skip=page, times=None)

    with pytest.raises(ComposioError) as caught:
        await read(gateway, users)

    error = caught.value
    assert (error.trouble if isinstance(error, ComposioUnavailableError) else type(error)) is kind
    assert SECRET not in repr(error)
    assert gateway.batch_size == 50


async def test_a_limit_that_is_reached_while_halving_is_told(standin: StandIn, gateway: ComposioGateway) -> None:
    users = people(standin, 8)
    standin.max_users = 4
    standin.fail(Refuse(429, headers={"Retry-After": "90"}), skip=2)

    with pytest.raises(ComposioBusyError) as caught:
        await read(gateway, users)

    assert caught.value.retry_after == 90
    assert gateway.batch_size == 50


async def test_a_key_that_is_refused_while_halving_is_told(standin: StandIn, gateway: ComposioGateway) -> None:
    users = people(standin, 8)
    standin.max_users = 4
    standin.fail(Refuse(401), skip=2)

    with pytest.raises(ComposioRefusedError):
        await read(gateway, users)


@pytest.mark.parametrize("fault", [Cut(after=300), Reset(), Refuse(503, headers={"Retry-After": "0"})], ids=repr)
async def test_a_page_that_fails_once_is_asked_for_again(standin: StandIn, fault: Fault) -> None:
    patient = gateway_to(standin.base_url, read_retries=READ_RETRIES)
    users = people(standin, 4)
    standin.max_page = 2
    standin.fail(fault, skip=1)

    assert ids(await read(patient, users)) == at_composio(standin, users)
    assert asked(standin) == [4, 4, 4]
    await patient.close()


async def test_a_number_where_a_time_belongs_is_unreadable(standin: StandIn, gateway: ComposioGateway) -> None:
    people(standin, 1)
    item = {"id": "ca_1", "toolkit": {"slug": "gmail"}, "status": "ACTIVE", "user_id": "user-0"}
    times = {"created_at": "2026-02-31T10:00:00Z", "updated_at": "2026-02-01T10:00:00Z"}
    standin.fail(Raw(json.dumps({"items": [item | times]}).encode()))

    assert await trouble_of(gateway, ["user-0", "user-1"]) is Trouble.UNREADABLE


async def test_cursors_are_those_of_the_answer(standin: StandIn, gateway: ComposioGateway) -> None:
    users = people(standin, 4)
    standin.max_page = 2
    await read(gateway, users)

    assert [sent.query.get("cursor") for sent in standin.requests] == [None, cursor(2)]
