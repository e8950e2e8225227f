"""The stand-in's API as Composio's own client sees it: real HTTP, strict validation of every body."""

from __future__ import annotations

from typing import Any

import composio_client
import httpx
import pytest
from composio_client import AsyncComposio

from bot.sandbox.api import API, SECRET
from bot.sandbox.faults import Before
from bot.sandbox.standin import StandIn
from tests.bot.conftest import DAY, client_of, ids

pytestmark = pytest.mark.quick

STATUSES = ("INITIALIZING", "INITIATED", "ACTIVE", "FAILED", "EXPIRED", "INACTIVE", "REVOKED")

# What Composio sends for an account in a list; a single account has `params` on top.
ITEM_KEYS = {
    "toolkit",
    "auth_config",
    "id",
    "authScheme",
    "word_id",
    "alias",
    "user_id",
    "status",
    "experimental",
    "created_at",
    "updated_at",
    "state",
    "data",
    "status_reason",
    "is_disabled",
}
TOKEN_KEYS = {"access_token", "refresh_token", "token_type", "expires_in", "scope", "displayName"}
AUTH_CONFIG_KEYS = {"id", "auth_scheme", "is_composio_managed", "is_disabled"}
PAGE_KEYS = {"items", "next_cursor", "total_pages", "current_page", "total_items"}


async def walk(client: AsyncComposio, **query: Any) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await client.connected_accounts.list(cursor=cursor, **query)
        found += [item.id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


# Bodies


@pytest.mark.parametrize("status", STATUSES)
async def test_an_account_in_any_status_passes_strict_validation(
    standin: StandIn, client: AsyncComposio, status: str
) -> None:
    account = standin.connect("gmail", alias="work-gmail", status=status, status_reason="because")

    [listed] = (await client.connected_accounts.list()).items
    single = await client.connected_accounts.retrieve(account.id)

    assert (listed.id, listed.status, listed.alias) == (account.id, status, "work-gmail")
    assert (single.id, single.status, single.status_reason) == (account.id, status, "because")
    assert listed.toolkit.slug == single.toolkit.slug == "gmail"


async def test_bodies_have_the_keys_that_composio_sends(standin: StandIn, http: httpx.AsyncClient) -> None:
    account = standin.connect("gmail")

    page = (await http.get(f"{API}/connected_accounts")).json()
    single = (await http.get(f"{API}/connected_accounts/{account.id}")).json()

    assert set(page) == PAGE_KEYS
    [item] = page["items"]
    assert set(item) == ITEM_KEYS
    assert set(single) == ITEM_KEYS | {"params"}
    assert set(item["auth_config"]) == AUTH_CONFIG_KEYS
    assert set(item["state"]) == {"authScheme", "val"}
    assert set(item["state"]["val"]) == TOKEN_KEYS | {"status"}
    assert item["created_at"] == "2026-11-22T10:00:00.000Z"


async def test_bodies_carry_tokens_where_composio_has_them(standin: StandIn, http: httpx.AsyncClient) -> None:
    account = standin.connect("gmail")

    single = (await http.get(f"{API}/connected_accounts/{account.id}")).json()

    assert single["state"]["val"]["access_token"] == SECRET
    assert SECRET in single["data"].values()
    assert SECRET in single["params"].values()


async def test_an_error_has_composios_shape(client: AsyncComposio) -> None:
    with pytest.raises(composio_client.NotFoundError) as caught:
        await client.connected_accounts.retrieve("ca_nobody")

    assert caught.value.details is not None
    assert set(caught.value.details) == {"message", "code", "slug", "status", "request_id", "suggested_fix"}


async def test_the_same_calls_make_the_same_ids_in_every_world() -> None:
    def names(standin: StandIn) -> list[str]:
        return [standin.connect(toolkit).id for toolkit in ("gmail", "gmail", "notion")]

    first, second = names(StandIn()), names(StandIn())

    assert first == second
    assert len(set(first)) == 3
    assert all(len(name) == 15 and name.startswith("ca_") and name.islower() for name in first)


# Lists


async def test_shared_accounts_are_hidden_unless_they_are_asked_for(
    standin: StandIn, client: AsyncComposio
) -> None:
    private = standin.connect("gmail", age=DAY).id
    shared = standin.connect("notion", account_type="SHARED").id

    assert await ids(client) == [private]
    assert await ids(client, account_type="SHARED") == [shared]
    assert await ids(client, account_type="ALL") == [shared, private]


async def test_paging_walks_every_account_once(standin: StandIn, client: AsyncComposio) -> None:
    made = [standin.connect("gmail", age=n * DAY).id for n in range(7)]

    assert await walk(client, limit=3) == made
    page = await client.connected_accounts.list(limit=3)
    assert (page.total_items, page.total_pages, page.current_page) == (7, 3, 1)


async def test_a_page_never_holds_more_than_the_world_allows(standin: StandIn, client: AsyncComposio) -> None:
    made = [standin.connect("gmail", age=n * DAY).id for n in range(5)]
    assert len(await ids(client)) == 5
    standin.max_page = 2

    assert await ids(client, limit=100) == made[:2]
    assert await walk(client, limit=100) == made


async def test_twenty_accounts_come_when_no_limit_is_given(standin: StandIn, client: AsyncComposio) -> None:
    for _ in range(21):
        standin.connect("gmail")

    assert len(await ids(client)) == 20


async def test_rows_shift_when_an_account_disappears_between_pages(
    standin: StandIn, client: AsyncComposio
) -> None:
    made = [standin.connect("gmail", age=n * DAY).id for n in range(4)]
    standin.fail(Before(lambda project: project.remove(made[0])), path="*/connected_accounts", skip=1)

    assert await walk(client, limit=2) == [made[0], made[1], made[3]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"user_ids": ["peterbot-user"]}, ["ca_mail", "ca_notes"]),
        ({"user_ids": ["peterbot-user", "other"]}, ["ca_mail", "ca_notes", "ca_theirs"]),
        ({"toolkit_slugs": ["notion"]}, ["ca_notes"]),
        ({"user_ids": ["other"], "toolkit_slugs": ["notion"]}, []),
    ],
)
async def test_filters_narrow_the_list(
    standin: StandIn, client: AsyncComposio, query: dict[str, Any], expected: list[str]
) -> None:
    standin.connect("gmail", id="ca_mail")
    standin.connect("notion", id="ca_notes", status="EXPIRED", age=DAY)
    standin.connect("gmail", id="ca_theirs", user_id="other", age=2 * DAY)

    assert await ids(client, **query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["ca_new", "ca_old"]),
        ({"order_direction": "asc"}, ["ca_old", "ca_new"]),
        ({"order_by": "updated_at"}, ["ca_old", "ca_new"]),
        ({"order_by": "updated_at", "order_direction": "asc"}, ["ca_new", "ca_old"]),
    ],
)
async def test_the_list_has_the_order_that_was_asked_for(
    standin: StandIn, client: AsyncComposio, query: dict[str, Any], expected: list[str]
) -> None:
    standin.connect("gmail", id="ca_old", age=2 * DAY)
    standin.connect("gmail", id="ca_new", age=DAY)
    standin.expire("ca_old")

    assert await ids(client, **query) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "rubbish!"},
        {"cursor": "LTE="},  # -1
        {"limit": 0},
        {"limit": "nan"},
        {"limit": "inf"},
        {"order_by": "name"},
        {"account_type": "PUBLIC"},
        {"statuses": ["ACTIVE"]},  # a filter that the stand-in does not know
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(client: AsyncComposio, query: dict[str, Any]) -> None:
    with pytest.raises(composio_client.BadRequestError):
        await client.connected_accounts.list(**query)


# Writes


async def test_revoking_takes_the_tokens_once(standin: StandIn, client: AsyncComposio) -> None:
    account = standin.connect("gmail")

    first = await client.connected_accounts.revoke(account.id)
    second = await client.connected_accounts.revoke(account.id)

    assert [token.value for token in first.revoked_tokens] == ["access_token", "refresh_token"]
    assert first.connected_account.id == account.id
    assert second.revoked_tokens == []
    assert account.status == "REVOKED"
    assert account.status_reason == "Revoked via user-initiated revoke endpoint"


async def test_revoking_is_refused_where_it_cannot_be_done(standin: StandIn, client: AsyncComposio) -> None:
    standin.unrevocable.add("notion")
    notes, mail = standin.connect("notion"), standin.connect("gmail", status="EXPIRED")

    with pytest.raises(composio_client.BadRequestError):
        await client.connected_accounts.revoke(notes.id)
    with pytest.raises(composio_client.ConflictError):
        await client.connected_accounts.revoke(mail.id)
    with pytest.raises(composio_client.NotFoundError):
        await client.connected_accounts.revoke("ca_nobody")
    assert (notes.status, mail.status) == ("ACTIVE", "EXPIRED")


async def test_deleting_works_once(standin: StandIn, client: AsyncComposio) -> None:
    account = standin.connect("gmail")

    assert (await client.connected_accounts.delete(account.id)).success
    assert standin.accounts == {}
    with pytest.raises(composio_client.NotFoundError):
        await client.connected_accounts.delete(account.id)


# Who may ask, and for what


async def test_a_wrong_key_is_refused_and_has_no_effect(standin: StandIn, http: httpx.AsyncClient) -> None:
    account = standin.connect("gmail")

    async with client_of(standin, key="ak_wrong") as stranger:
        with pytest.raises(composio_client.AuthenticationError):
            await stranger.connected_accounts.delete(account.id)
    del http.headers["x-api-key"]
    keyless = await http.delete(f"{API}/connected_accounts/{account.id}")

    assert keyless.status_code == 401
    assert account.id in standin.accounts


@pytest.mark.parametrize(
    "path", ["/", "/api/v3.1/toolkits", "/api/v3/toolkits/gmail", "/api/v3/connected_accounts", "/elsewhere"]
)
async def test_anything_else_is_not_there(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)

    assert answer.status_code == 404
    assert answer.json()["error"]["status"] == 404


async def test_every_api_request_is_written_down(
    standin: StandIn, client: AsyncComposio, http: httpx.AsyncClient
) -> None:
    await client.connected_accounts.list(user_ids=["a", "b"], limit=5)
    await http.get("/accounts")

    [request] = standin.requests
    assert (request.method, request.path) == ("GET", "/api/v3.1/connected_accounts")
    assert request.query == {"user_ids": "a,b", "limit": "5"}
