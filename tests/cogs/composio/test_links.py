"""Links and auth configs: what is asked of Composio, and what is made of its answers. Real HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.sandbox.faults import Alter, Cut, Fault, Html, LoopingCursor, Lost, Raw, Refuse, Reset
from bot.sandbox.model import Body
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.errors import (
    ComposioBusyError,
    ComposioError,
    ComposioRefusedError,
    ComposioUnavailableError,
    NotConnectableError,
    Trouble,
    Unconnectable,
)
from tests.cogs.composio.broken import ALIAS, LEAK, Kind, body_with, kind_of
from tests.cogs.conftest import DAY, NOW, USER

pytestmark = pytest.mark.quick


def items_with(**fields: object) -> Alter:
    def change(body: Body) -> None:
        for item in body["items"]:
            item.update(fields)

    return Alter(change)


# Auth configs


async def test_no_auth_config_is_none(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.add_auth_config("gmail")

    assert await gateway.auth_config("linear") is None


async def test_the_newest_auth_config_counts_whatever_page_it_is_on(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    standin.max_page = 1
    standin.add_auth_config("linear", age=2 * DAY)
    newest = standin.add_auth_config("linear")
    standin.add_auth_config("linear", age=DAY)

    assert await gateway.auth_config("linear") == newest.id
    assert len(standin.requests) == 3


async def test_one_that_does_not_say_when_it_was_made_is_older_than_all_that_do(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    standin.add_auth_config("linear", id="ac_silent")
    standin.add_auth_config("linear", id="ac_changed", age=3 * DAY)
    standin.add_auth_config("linear", id="ac_made", age=2 * DAY)

    def silent(body: Body) -> None:
        first, second, _ = body["items"]
        del first["created_at"], first["last_updated_at"]
        second.update(created_at=None, last_updated_at=(NOW - DAY).isoformat())

    standin.fail(Alter(silent))

    assert await gateway.auth_config("linear") == "ac_changed"


@pytest.mark.parametrize(
    "fields",
    [
        {"is_composio_managed": False},
        {"is_composio_managed": None},
        {"status": "DISABLED"},
        {"toolkit": {"slug": "gmail"}},
    ],
    ids=str,
)
async def test_an_auth_config_of_another_kind_does_not_count_though_it_is_listed(
    standin: StandIn, gateway: ComposioGateway, fields: dict[str, object]
) -> None:
    standin.add_auth_config("linear")
    standin.fail(items_with(**fields))

    assert await gateway.auth_config("linear") is None


@pytest.mark.parametrize("status", [None, "ENABLED"])
async def test_an_auth_config_without_a_status_is_enabled(
    standin: StandIn, gateway: ComposioGateway, status: str | None
) -> None:
    made = standin.add_auth_config("linear")
    standin.fail(items_with(status=status))

    assert await gateway.auth_config("linear") == made.id


async def test_auth_configs_whose_pages_do_not_end_are_given_up(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    standin.max_page = 1
    for _ in range(2):
        standin.add_auth_config("linear")
    standin.fail(LoopingCursor(), times=None)

    with pytest.raises(ComposioUnavailableError) as caught:
        await gateway.auth_config("linear")

    assert caught.value.trouble is Trouble.UNREADABLE
    assert len(standin.requests) == 2


async def test_an_auth_config_is_made_where_there_is_none(standin: StandIn, gateway: ComposioGateway) -> None:
    made = await gateway.make_auth_config("googledrive")

    assert standin.auth_configs[made].toolkit == "googledrive"
    assert await gateway.auth_config("googledrive") == made


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, Unconnectable.NO_AUTH_CONFIG),
        (403, Unconnectable.NO_AUTH_CONFIG),
        (400, Unconnectable.UNSUPPORTED),
        (404, Unconnectable.UNSUPPORTED),
        (422, Unconnectable.UNSUPPORTED),
    ],
)
async def test_an_auth_config_that_may_not_be_made_says_why(
    standin: StandIn, gateway: ComposioGateway, status: int, why: Unconnectable
) -> None:
    standin.fail(Refuse(status), method="POST")

    with pytest.raises(NotConnectableError) as caught:
        await gateway.make_auth_config("linear")

    assert caught.value.why is why


async def test_a_toolkit_that_composio_does_not_manage_cannot_be_connected(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    standin.unmanaged.add("linear")

    with pytest.raises(NotConnectableError) as caught:
        await gateway.make_auth_config("linear")

    assert caught.value.why is Unconnectable.UNSUPPORTED


@pytest.mark.parametrize(
    "fields",
    [
        {"toolkit": {"slug": "gmail"}},
        {"toolkit": None},
        {"auth_config": {"id": ""}},
        {"auth_config": {"id": "ac_1\nac_2"}},
        {"auth_config": {"id": None}},
    ],
    ids=str,
)
async def test_an_auth_config_of_something_else_is_not_believed(
    standin: StandIn, gateway: ComposioGateway, fields: dict[str, object]
) -> None:
    standin.fail(body_with(**fields), method="POST")

    with pytest.raises(ComposioUnavailableError) as caught:
        await gateway.make_auth_config("linear")

    assert caught.value.trouble is Trouble.UNREADABLE


# Links


async def test_a_link_is_made_for_the_user_under_our_alias(standin: StandIn, gateway: ComposioGateway) -> None:
    config = standin.add_auth_config("linear")

    made = await gateway.link(config.id, USER, ALIAS)

    account = standin.accounts[made.account_id]
    assert (account.toolkit, account.user_id, account.alias) == ("linear", USER, ALIAS)
    assert made.url.startswith(f"{standin.base_url}/link/")
    assert made.expires_at == NOW + timedelta(minutes=10)


async def test_our_alias_is_never_shown_as_a_name(standin: StandIn, gateway: ComposioGateway) -> None:
    config = standin.add_auth_config("linear")
    made = await gateway.link(config.id, USER, ALIAS)
    record = standin.accounts[made.account_id]

    account = await gateway.account(made.account_id)
    record.word_id = None
    nameless = await gateway.account(made.account_id)
    record.alias = "connecting-people"
    named = await gateway.account(made.account_id)

    assert account
    assert account.name.startswith("linear_")
    assert nameless
    assert nameless.name == f"…{made.account_id[-6:]}"
    assert named
    assert named.name == "connecting-people"


async def test_a_record_is_found_by_its_alias_after_a_lost_answer(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    config = standin.add_auth_config("linear")
    standin.connect("linear", alias="somebody else's")
    standin.connect("linear", user_id="other", alias=ALIAS)
    standin.fail(Lost(Reset()), method="POST")
    assert await gateway.made(USER, ALIAS) is None

    with pytest.raises(ComposioUnavailableError):
        await gateway.link(config.id, USER, ALIAS)

    found = await gateway.made(USER, ALIAS)
    assert found
    assert (found.status, standin.accounts[found.id].alias) == ("INITIALIZING", ALIAS)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (400, Unconnectable.UNSUPPORTED),
        (403, Unconnectable.KEY),
        (404, Unconnectable.AUTH_CONFIG_GONE),
        (422, Unconnectable.UNSUPPORTED),
    ],
)
async def test_a_link_that_is_refused_says_why(
    standin: StandIn, gateway: ComposioGateway, status: int, why: Unconnectable
) -> None:
    standin.fail(Refuse(status, LEAK), method="POST")

    with pytest.raises(NotConnectableError) as caught:
        await gateway.link("ac_1", USER, ALIAS)

    assert caught.value.why is why
    assert standin.accounts == {}


async def test_an_auth_config_that_was_deleted_meanwhile_is_gone(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    config = standin.add_auth_config("linear")
    found = await gateway.auth_config("linear")
    assert found == config.id
    del standin.auth_configs[config.id]

    with pytest.raises(NotConnectableError) as caught:
        await gateway.link(found, USER, ALIAS)

    assert caught.value.why is Unconnectable.AUTH_CONFIG_GONE


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Refuse(429, headers={"Retry-After": "7"}), ComposioBusyError),
        *((Refuse(status), Trouble.SERVER) for status in (500, 501, 504)),
        *((Html(status), Trouble.SERVER) for status in (400, 401, 403, 404, 422, 502)),
    ],
)
async def test_what_says_nothing_about_the_request_is_an_error_as_everywhere(
    standin: StandIn, gateway: ComposioGateway, fault: Fault, kind: Kind
) -> None:
    standin.fail(fault, method="POST", times=None)

    for call in (gateway.link("ac_1", USER, ALIAS), gateway.make_auth_config("linear")):
        with pytest.raises(ComposioError) as caught:
            await call
        assert kind_of(caught.value) is kind

    assert len(standin.requests) == 2


async def test_a_key_that_is_wrong_makes_no_link(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.fail(Refuse(401, LEAK), method="POST")

    with pytest.raises(ComposioRefusedError):
        await gateway.link("ac_1", USER, ALIAS)


NO_LINKS: dict[str, Fault] = {
    "cut": Cut(after=20),
    "a page": Html(200),
    "null": Raw(b"null"),
    "nothing in it": Raw(b"{}"),
}
NO_URLS = (
    *(
        None,
        "",
        "linear.app/link",
        "javascript:alert(1)",
        "https://",
        "https://exa mple.org/",
        "https://[example.org/",
        "https://example.org:99999/",
        "https://example.org:1x/",
        "http://example.org/",
    ),
    *("https://example.org/\n", "https://example.org/\u202egro", "https://example.org/" + "x" * 3_000),
)
NO_LINKS |= {f"to {str(url)[:30]!r}": body_with(redirect_url=url) for url in NO_URLS}
NO_TIMES = (None, "", "soon", 1_800_000_000, "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00")
NO_LINKS |= {f"until {text!r}": body_with(expires_at=text) for text in NO_TIMES}
NO_LINKS |= {
    f"about {str(text)[:10]!r}": body_with(connected_account_id=text)
    for text in (None, "", "ca_1\n", " ca_1", "x" * 500, 1)
}


@pytest.mark.parametrize("fault", NO_LINKS.values(), ids=NO_LINKS)
async def test_a_link_is_believed_as_a_whole_or_not_at_all(
    standin: StandIn, gateway: ComposioGateway, fault: Fault
) -> None:
    config = standin.add_auth_config("linear")
    standin.fail(fault, method="POST")

    with pytest.raises(ComposioUnavailableError) as caught:
        await gateway.link(config.id, USER, ALIAS)

    assert caught.value.trouble in {Trouble.UNREADABLE, Trouble.NETWORK}
    assert "example.org" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost/link/1", "https://connect.composio.dev/link/lk_1?x=y#z"])
async def test_any_host_may_show_the_link(standin: StandIn, gateway: ComposioGateway, url: str) -> None:
    config = standin.add_auth_config("linear")
    standin.fail(body_with(redirect_url=url, expires_at="2026-11-22T10:10:00"), method="POST")

    made = await gateway.link(config.id, USER, ALIAS)

    assert (made.url, made.expires_at) == (url, NOW + timedelta(minutes=10))
