"""Connecting and trying, as Composio's own client sees the stand-in: real HTTP, every body validated strictly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import composio_client
import httpx
import pytest
from composio_client import AsyncComposio

from bot.sandbox.api import API, SECRET
from bot.sandbox.project import DENIED, TOO_LATE
from bot.sandbox.standin import StandIn
from bot.sandbox.toolkits import TOOLKITS
from tests.bot.conftest import DAY, NOW

pytestmark = pytest.mark.quick

USER = "somebody"
MINUTE = timedelta(minutes=1)


async def found(client: AsyncComposio, **query: Any) -> list[str]:
    return [item.id for item in (await client.auth_configs.list(**query)).items]


async def linked(standin: StandIn, client: AsyncComposio, toolkit: str = "linear") -> tuple[str, str]:
    """The link's token, and the account's id."""
    made = await client.link.create(auth_config_id=standin.add_auth_config(toolkit).id, user_id=USER)
    return made.link_token, made.connected_account_id


# Auth configs


async def test_an_auth_config_is_made_and_found(client: AsyncComposio) -> None:
    assert await found(client, toolkit_slug="linear") == []

    made = await client.auth_configs.create(
        toolkit={"slug": "linear"}, auth_config={"type": "use_composio_managed_auth"}
    )

    assert (made.toolkit.slug, made.auth_config.is_composio_managed) == ("linear", True)
    assert await found(client, toolkit_slug="linear") == [made.auth_config.id]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["ac_mail", "ac_own", "ac_notes"]),
        ({"toolkit_slug": "gmail"}, ["ac_mail", "ac_own"]),
        ({"toolkit_slug": "gmail,notion"}, ["ac_mail", "ac_own", "ac_notes"]),
        ({"toolkit_slug": "gmail", "is_composio_managed": True}, ["ac_mail"]),
        ({"toolkit_slug": "gmail", "show_disabled": True}, ["ac_mail", "ac_off", "ac_own"]),
        ({"toolkit_slug": "gmail", "limit": 1}, ["ac_mail"]),
        ({"toolkit_slug": "linear"}, []),
    ],
)
async def test_auth_configs_are_listed_as_they_are_asked_for(
    standin: StandIn, client: AsyncComposio, query: dict[str, Any], expected: list[str]
) -> None:
    standin.add_auth_config("gmail", id="ac_mail", age=DAY)
    standin.add_auth_config("gmail", id="ac_off", status="DISABLED")
    standin.add_auth_config("gmail", id="ac_own", is_composio_managed=False)
    standin.add_auth_config("notion", id="ac_notes")

    assert await found(client, **query) == expected


async def test_auth_configs_come_page_by_page(standin: StandIn, client: AsyncComposio) -> None:
    made = [standin.add_auth_config("gmail").id for _ in range(3)]
    first = await client.auth_configs.list(limit=2)
    assert first.next_cursor

    assert [item.id for item in first.items] == made[:2]
    assert await found(client, limit=2, cursor=first.next_cursor) == made[2:]


@pytest.mark.parametrize(
    ("slug", "kind"),
    [("google_drive", composio_client.NotFoundError), ("notion", composio_client.BadRequestError)],
    ids=["no such toolkit", "no app of Composio's"],
)
async def test_no_auth_config_is_made_for_what_composio_does_not_manage(
    standin: StandIn, client: AsyncComposio, slug: str, kind: type[Exception]
) -> None:
    standin.unmanaged.add("notion")

    with pytest.raises(kind):
        await client.auth_configs.create(toolkit={"slug": slug}, auth_config={"type": "use_composio_managed_auth"})

    assert standin.auth_configs == {}


# Links


async def test_a_link_leads_to_a_record_that_somebody_has_to_finish(
    standin: StandIn, client: AsyncComposio
) -> None:
    config = standin.add_auth_config("linear")

    made = await client.link.create(auth_config_id=config.id, user_id=USER, alias="ours")

    account = await client.connected_accounts.retrieve(made.connected_account_id)
    assert made.redirect_url == f"{standin.base_url}/link/{made.link_token}"
    assert datetime.fromisoformat(made.expires_at) == NOW + 10 * MINUTE
    assert (account.status, account.alias, account.toolkit.slug) == ("INITIALIZING", "ours", "linear")
    assert standin.accounts[account.id].user_id == USER


async def test_a_link_is_opened_and_allowed_once(standin: StandIn, client: AsyncComposio) -> None:
    token, account_id = await linked(standin, client)

    assert standin.open_link(token)
    assert (await client.connected_accounts.retrieve(account_id)).status == "INITIATED"
    assert standin.allow(token, "anna@example.com")

    assert (await client.connected_accounts.retrieve(account_id)).status == "ACTIVE"
    assert standin.accounts[account_id].owner == "anna@example.com"
    assert standin.open_link(token) is None
    assert not standin.deny(token)
    assert not standin.allow("lk_nobody")


async def test_a_link_that_is_denied_fails(standin: StandIn, client: AsyncComposio) -> None:
    token, account_id = await linked(standin, client)

    assert standin.deny(token)

    account = await client.connected_accounts.retrieve(account_id)
    assert (account.status, account.status_reason) == ("FAILED", DENIED)


@pytest.mark.parametrize("opened", [False, True])
async def test_a_record_that_nobody_finishes_expires_after_ten_minutes(
    standin: StandIn, client: AsyncComposio, opened: bool
) -> None:
    token, account_id = await linked(standin, client)
    older = standin.connect("googledrive", status="INITIATED", age=DAY)
    if opened:
        standin.open_link(token)

    standin.clock = lambda: NOW + 10 * MINUTE - timedelta(seconds=1)
    assert (await client.connected_accounts.retrieve(account_id)).status != "EXPIRED"
    standin.clock = lambda: NOW + 10 * MINUTE
    account = await client.connected_accounts.retrieve(account_id)

    assert (account.status, account.status_reason) == ("EXPIRED", TOO_LATE)
    assert not standin.allow(token)
    assert older.status == "INITIATED"


async def test_a_link_of_a_removed_account_leads_nowhere(standin: StandIn, client: AsyncComposio) -> None:
    token, account_id = await linked(standin, client)

    await client.connected_accounts.delete(account_id)

    assert standin.open_link(token) is None


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"auth_config_id": "ac_gone"}, composio_client.NotFoundError),
        ({"auth_config_id": "ac_off"}, composio_client.BadRequestError),
        ({"alias": "taken"}, composio_client.BadRequestError),
        ({"callback_url": "https://example.org"}, composio_client.BadRequestError),
    ],
    ids=str,
)
async def test_a_link_that_makes_no_sense_is_refused(
    standin: StandIn, client: AsyncComposio, fields: dict[str, Any], kind: type[Exception]
) -> None:
    standin.add_auth_config("linear", id="ac_off", status="DISABLED")
    config = standin.add_auth_config("linear")
    standin.connect("linear", user_id=USER, alias="taken")
    standin.connect("linear", user_id="other", alias="free")

    with pytest.raises(kind):
        await client.link.create(**({"auth_config_id": config.id, "user_id": USER, "alias": "free"} | fields))

    assert len(standin.accounts) == 2
    assert standin.links == {}


# Toolkits and the proxy


@pytest.mark.parametrize("slug", TOOLKITS)
async def test_a_toolkit_names_where_its_user_is_told(client: AsyncComposio, slug: str) -> None:
    toolkit = await client.toolkits.retrieve(slug)

    assert toolkit.get_current_user_endpoint == TOOLKITS[slug].whoami
    assert toolkit.get_current_user_endpoint_method == ("GET" if TOOLKITS[slug].whoami else None)


async def test_a_toolkit_that_composio_does_not_have_is_not_found(client: AsyncComposio) -> None:
    with pytest.raises(composio_client.NotFoundError):
        await client.toolkits.retrieve("google_drive")


@pytest.mark.parametrize("slug", [slug for slug, toolkit in TOOLKITS.items() if toolkit.whoami])
async def test_a_provider_tells_who_is_signed_in(standin: StandIn, client: AsyncComposio, slug: str) -> None:
    account = standin.connect(slug, owner="anna@example.com")
    endpoint = TOOLKITS[slug].whoami
    assert endpoint

    answer = await client.tools.proxy(endpoint=endpoint, method="GET", connected_account_id=account.id)

    assert answer.status == 200
    assert ("anna" if slug == "github" else "anna@example.com") in str(answer.data)
    assert SECRET in str(answer.headers)


async def test_linear_answers_to_a_query(standin: StandIn, client: AsyncComposio) -> None:
    account = standin.connect("linear", owner="anna@example.com")

    answer = await client.tools.proxy(
        endpoint="https://api.linear.app/graphql",
        method="POST",
        connected_account_id=account.id,
        body={"query": "{ viewer { email } }"},
    )

    assert isinstance(answer.data, dict)
    assert answer.data["data"]["viewer"]["email"] == "anna@example.com"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_dead_token_is_the_providers_word(standin: StandIn, client: AsyncComposio, status: int) -> None:
    account = standin.connect("github")
    standin.kill_token(account.id, status)

    answer = await client.tools.proxy(
        endpoint="https://api.github.com/user", method="GET", connected_account_id=account.id
    )

    assert answer.status == status
    assert (account.status, account.updated_at) == ("ACTIVE", NOW)


async def test_what_a_provider_does_not_have_is_not_found_there(standin: StandIn, client: AsyncComposio) -> None:
    account = standin.connect("github")

    answer = await client.tools.proxy(
        endpoint="https://api.github.com/rubbish", method="GET", connected_account_id=account.id
    )

    assert answer.status == 404


async def test_an_account_that_is_not_there_has_a_code_of_its_own(http: httpx.AsyncClient) -> None:
    wanted = {"endpoint": "https://api.github.com/user", "method": "GET", "connected_account_id": "ca_nobody"}

    answer = await http.post(f"{API}/tools/execute/proxy", json=wanted)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, 606)


@pytest.mark.parametrize("fields", [{"status": "EXPIRED"}, {"is_disabled": True}], ids=str)
async def test_only_accounts_that_work_are_tried(
    standin: StandIn, client: AsyncComposio, fields: dict[str, Any]
) -> None:
    account = standin.connect("github", **fields)

    with pytest.raises(composio_client.BadRequestError):
        await client.tools.proxy(
            endpoint="https://api.github.com/user", method="GET", connected_account_id=account.id
        )


async def test_times_are_told_in_utc(standin: StandIn, client: AsyncComposio) -> None:
    standin.add_auth_config("gmail")

    [item] = (await client.auth_configs.list()).items

    assert item.created_at
    assert datetime.fromisoformat(item.created_at) == NOW.astimezone(UTC)
