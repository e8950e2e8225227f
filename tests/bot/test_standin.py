"""The stand-in as Composio's own client and a browser see it: real HTTP, strict validation of every body."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import composio_client
import httpx
import pytest
from composio_client import AsyncComposio, ProjectAuth

from bot.sandbox.dashboard import APPS
from bot.sandbox.standin import (
    API,
    SECRET,
    STATUSES,
    Alter,
    Before,
    Cut,
    Fault,
    Hang,
    Html,
    LoopingCursor,
    Lost,
    Raw,
    Refuse,
    Reset,
    StandIn,
)

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)

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


def client_of(world: StandIn, *, key: str = "ak_sandbox", timeout: float = 5.0) -> AsyncComposio:
    return AsyncComposio(
        auth=ProjectAuth(key),
        base_url=world.base_url,
        max_retries=0,
        timeout=timeout,
        _strict_response_validation=True,
    )


@pytest.fixture
async def world(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    async with StandIn(clock=lambda: NOW) as standin:
        yield standin
    assert asyncio.all_tasks() == {asyncio.current_task()}
    records = caplog.get_records("call") + caplog.records
    assert [record.getMessage() for record in records if record.levelno >= logging.WARNING] == []


@pytest.fixture
async def composio(world: StandIn) -> AsyncIterator[AsyncComposio]:
    async with client_of(world) as client:
        yield client


@pytest.fixture
async def http(world: StandIn) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"x-api-key": world.api_key}
    async with httpx.AsyncClient(base_url=world.base_url, headers=headers) as client:
        yield client


async def ids(composio: AsyncComposio, **query: Any) -> list[str]:
    page = await composio.connected_accounts.list(**query)
    return [item.id for item in page.items]


async def walk(composio: AsyncComposio, **query: Any) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await composio.connected_accounts.list(cursor=cursor, **query)
        found += [item.id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


# Bodies


@pytest.mark.parametrize("status", sorted(STATUSES))
async def test_an_account_in_any_status_passes_strict_validation(
    world: StandIn, composio: AsyncComposio, status: str
) -> None:
    account = world.connect("gmail", alias="work-gmail", status=status, status_reason="because")

    [listed] = (await composio.connected_accounts.list()).items
    single = await composio.connected_accounts.retrieve(account.id)

    assert (listed.id, listed.status, listed.alias) == (account.id, status, "work-gmail")
    assert (single.id, single.status, single.status_reason) == (account.id, status, "because")
    assert listed.toolkit.slug == single.toolkit.slug == "gmail"


async def test_bodies_have_the_keys_that_composio_sends(world: StandIn, http: httpx.AsyncClient) -> None:
    account = world.connect("gmail")

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


async def test_bodies_carry_tokens_where_composio_has_them(world: StandIn, http: httpx.AsyncClient) -> None:
    account = world.connect("gmail")

    single = (await http.get(f"{API}/connected_accounts/{account.id}")).json()

    assert single["state"]["val"]["access_token"] == SECRET
    assert SECRET in single["data"].values()
    assert SECRET in single["params"].values()


async def test_an_error_has_composios_shape(composio: AsyncComposio) -> None:
    with pytest.raises(composio_client.NotFoundError) as caught:
        await composio.connected_accounts.retrieve("ca_nobody")

    assert caught.value.details is not None
    assert set(caught.value.details) == {"message", "code", "slug", "status", "request_id", "suggested_fix"}


async def test_the_same_calls_make_the_same_ids_in_every_world() -> None:
    def names(world: StandIn) -> list[str]:
        return [world.connect(toolkit).id for toolkit in ("gmail", "gmail", "notion")]

    first, second = names(StandIn()), names(StandIn())

    assert first == second
    assert len(set(first)) == 3
    assert all(len(name) == 15 and name.startswith("ca_") and name.islower() for name in first)


# Lists


async def test_shared_accounts_are_hidden_unless_they_are_asked_for(
    world: StandIn, composio: AsyncComposio
) -> None:
    private = world.connect("gmail", age=DAY).id
    shared = world.connect("notion", account_type="SHARED").id

    assert await ids(composio) == [private]
    assert await ids(composio, account_type="SHARED") == [shared]
    assert await ids(composio, account_type="ALL") == [shared, private]


async def test_paging_walks_every_account_once(world: StandIn, composio: AsyncComposio) -> None:
    made = [world.connect("gmail", age=n * DAY).id for n in range(7)]

    assert await walk(composio, limit=3) == made
    page = await composio.connected_accounts.list(limit=3)
    assert (page.total_items, page.total_pages, page.current_page) == (7, 3, 1)


async def test_a_page_never_holds_more_than_the_world_allows(world: StandIn, composio: AsyncComposio) -> None:
    made = [world.connect("gmail", age=n * DAY).id for n in range(5)]
    assert len(await ids(composio)) == 5
    world.max_page = 2

    assert await ids(composio, limit=100) == made[:2]
    assert await walk(composio, limit=100) == made


async def test_twenty_accounts_come_when_no_limit_is_given(world: StandIn, composio: AsyncComposio) -> None:
    for _ in range(21):
        world.connect("gmail")

    assert len(await ids(composio)) == 20


async def test_rows_shift_when_an_account_disappears_between_pages(
    world: StandIn, composio: AsyncComposio
) -> None:
    made = [world.connect("gmail", age=n * DAY).id for n in range(4)]
    world.fail(Before(lambda world: world.remove(made[0])), path="*/connected_accounts", skip=1)

    assert await walk(composio, limit=2) == [made[0], made[1], made[3]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"user_ids": ["peterbot-user"]}, ["ca_mail", "ca_notes"]),
        ({"user_ids": ["peterbot-user", "other"]}, ["ca_mail", "ca_notes", "ca_theirs"]),
        ({"toolkit_slugs": ["notion"]}, ["ca_notes"]),
        ({"statuses": ["EXPIRED", "REVOKED"]}, ["ca_notes"]),
        ({"connected_account_ids": ["ca_mail", "ca_theirs"]}, ["ca_mail", "ca_theirs"]),
        ({"user_ids": ["other"], "toolkit_slugs": ["notion"]}, []),
    ],
)
async def test_filters_narrow_the_list(
    world: StandIn, composio: AsyncComposio, query: dict[str, Any], expected: list[str]
) -> None:
    world.connect("gmail", id="ca_mail")
    world.connect("notion", id="ca_notes", status="EXPIRED", age=DAY)
    world.connect("gmail", id="ca_theirs", user_id="other", age=2 * DAY)

    assert await ids(composio, **query) == expected


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
    world: StandIn, composio: AsyncComposio, query: dict[str, Any], expected: list[str]
) -> None:
    world.connect("gmail", id="ca_old", age=2 * DAY)
    world.connect("gmail", id="ca_new", age=DAY)
    world.expire("ca_old")

    assert await ids(composio, **query) == expected


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
        {"statuses": ["SLEEPING"]},
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(composio: AsyncComposio, query: dict[str, Any]) -> None:
    with pytest.raises(composio_client.BadRequestError):
        await composio.connected_accounts.list(**query)


# Writes


async def test_revoking_takes_the_tokens_once(world: StandIn, composio: AsyncComposio) -> None:
    account = world.connect("gmail")

    first = await composio.connected_accounts.revoke(account.id)
    second = await composio.connected_accounts.revoke(account.id)

    assert [token.value for token in first.revoked_tokens] == ["access_token", "refresh_token"]
    assert first.connected_account.id == account.id
    assert second.revoked_tokens == []
    assert account.status == "REVOKED"
    assert account.status_reason == "Revoked via user-initiated revoke endpoint"


async def test_revoking_is_refused_where_it_cannot_be_done(world: StandIn, composio: AsyncComposio) -> None:
    world.unrevocable.add("notion")
    notes, mail = world.connect("notion"), world.connect("gmail", status="EXPIRED")

    with pytest.raises(composio_client.BadRequestError):
        await composio.connected_accounts.revoke(notes.id)
    with pytest.raises(composio_client.ConflictError):
        await composio.connected_accounts.revoke(mail.id)
    with pytest.raises(composio_client.NotFoundError):
        await composio.connected_accounts.revoke("ca_nobody")
    assert (notes.status, mail.status) == ("ACTIVE", "EXPIRED")


async def test_deleting_works_once(world: StandIn, composio: AsyncComposio) -> None:
    account = world.connect("gmail")

    assert (await composio.connected_accounts.delete(account.id)).success
    assert world.accounts == {}
    with pytest.raises(composio_client.NotFoundError):
        await composio.connected_accounts.delete(account.id)


async def test_an_account_can_be_disabled_and_enabled(world: StandIn, composio: AsyncComposio) -> None:
    account = world.connect("gmail")

    assert (await composio.connected_accounts.update_status(account.id, enabled=False)).success
    assert (account.is_disabled, account.status) == (True, "INACTIVE")
    assert account.status_reason == "Connection status updated by user"

    assert (await composio.connected_accounts.update_status(account.id, enabled=True)).success
    assert (account.is_disabled, account.status) == (False, "ACTIVE")


async def test_an_expired_account_can_be_neither_disabled_nor_enabled(
    world: StandIn, composio: AsyncComposio
) -> None:
    account = world.connect("gmail", status="EXPIRED")

    with pytest.raises(composio_client.ConflictError):
        await composio.connected_accounts.update_status(account.id, enabled=True)
    assert account.status == "EXPIRED"


@pytest.mark.parametrize("content", ['{"enabled": "yes"}', "{", "[]", ""])
async def test_a_status_update_without_a_yes_or_no_is_refused(
    world: StandIn, http: httpx.AsyncClient, content: str
) -> None:
    account = world.connect("gmail")

    answer = await http.patch(f"{API}/connected_accounts/{account.id}/status", content=content)

    assert answer.status_code == 400
    assert account.status == "ACTIVE"


# Who may ask, and for what


async def test_a_wrong_key_is_refused_and_has_no_effect(world: StandIn, http: httpx.AsyncClient) -> None:
    account = world.connect("gmail")

    async with client_of(world, key="ak_wrong") as stranger:
        with pytest.raises(composio_client.AuthenticationError):
            await stranger.connected_accounts.delete(account.id)
    del http.headers["x-api-key"]
    keyless = await http.delete(f"{API}/connected_accounts/{account.id}")

    assert keyless.status_code == 401
    assert account.id in world.accounts


@pytest.mark.parametrize("path", ["/", "/api/v3.1/toolkits", "/api/v3/connected_accounts", "/elsewhere"])
async def test_anything_else_is_not_there(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)

    assert answer.status_code == 404
    assert answer.json()["error"]["status"] == 404


async def test_every_api_request_is_written_down(
    world: StandIn, composio: AsyncComposio, http: httpx.AsyncClient
) -> None:
    await composio.connected_accounts.list(user_ids=["a", "b"], limit=5)
    await http.get("/accounts")

    [request] = world.requests
    assert (request.method, request.path) == ("GET", "/api/v3.1/connected_accounts")
    assert request.query == {"user_ids": "a,b", "limit": "5"}


# Faults


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Refuse(400), composio_client.BadRequestError),
        (Refuse(401), composio_client.AuthenticationError),
        (Refuse(403), composio_client.PermissionDeniedError),
        (Refuse(404), composio_client.NotFoundError),
        (Refuse(409), composio_client.ConflictError),
        (Refuse(422), composio_client.UnprocessableEntityError),
        (Refuse(429), composio_client.RateLimitError),
        (Refuse(429, flat=True), composio_client.RateLimitError),
        (Refuse(500), composio_client.InternalServerError),
        (Html(502), composio_client.InternalServerError),
        (Html(200), composio_client.APIResponseValidationError),
        (Raw(b""), composio_client.APIResponseValidationError),
        (Raw(b'{"items": 1}'), composio_client.APIResponseValidationError),
        (Raw(b"\xff\xfe"), composio_client.APIResponseValidationError),
        (Alter(lambda body: body.pop("items")), composio_client.APIResponseValidationError),
        (Cut(after=0), composio_client.APIConnectionError),
        (Cut(after=40), composio_client.APIConnectionError),
        (Reset(), composio_client.APIConnectionError),
    ],
)
async def test_a_fault_is_the_error_it_stands_for_and_then_it_is_over(
    world: StandIn, composio: AsyncComposio, fault: Fault, error: type[Exception]
) -> None:
    account = world.connect("gmail")
    world.fail(fault)

    with pytest.raises(error) as caught:
        await composio.connected_accounts.list()

    assert caught.type is error
    assert await ids(composio) == [account.id]


async def test_a_hang_runs_into_the_clients_time_out(world: StandIn) -> None:
    world.fail(Hang())

    async with client_of(world, timeout=0.05) as hasty:
        with pytest.raises(composio_client.APITimeoutError):
            await hasty.connected_accounts.list()


async def test_a_refusal_brings_its_words_and_headers(world: StandIn, composio: AsyncComposio) -> None:
    world.fail(Refuse(429, "Slow down", headers={"Retry-After": "7"}, flat=True))

    with pytest.raises(composio_client.RateLimitError, match="Slow down") as caught:
        await composio.connected_accounts.list()

    assert caught.value.body == {"message": "Slow down"}
    assert caught.value.response.headers["Retry-After"] == "7"


@pytest.mark.parametrize("fault", [Reset(), Refuse(500), Html(504), Raw(b"")])
async def test_a_plain_fault_keeps_a_write_from_happening(
    world: StandIn, composio: AsyncComposio, fault: Fault
) -> None:
    account = world.connect("gmail")
    world.fail(fault, method="DELETE")

    with pytest.raises(composio_client.APIError):
        await composio.connected_accounts.delete(account.id)

    assert account.id in world.accounts


@pytest.mark.parametrize("fault", [Lost(), Lost(Hang()), Lost(Html(504)), Lost(Refuse(500)), Cut(after=3)])
async def test_a_write_whose_answer_is_lost_has_happened(world: StandIn, fault: Fault) -> None:
    account = world.connect("gmail")
    world.fail(fault, method="DELETE")

    async with client_of(world, timeout=0.5) as composio:
        with pytest.raises(composio_client.APIError):
            await composio.connected_accounts.delete(account.id)

    assert world.accounts == {}


async def test_the_world_can_change_after_a_lost_write(world: StandIn, composio: AsyncComposio) -> None:
    account = world.connect("gmail")
    world.fail(Lost(Reset(), hook=lambda world: world.expire(account.id)), method="POST", path="*/revoke")

    with pytest.raises(composio_client.APIConnectionError):
        await composio.connected_accounts.revoke(account.id)

    assert account.status == "EXPIRED"


async def test_a_looping_cursor_leads_back_to_the_first_page(world: StandIn, composio: AsyncComposio) -> None:
    made = [world.connect("gmail", age=n * DAY).id for n in range(2)]
    world.fail(LoopingCursor(), times=None)

    first = await composio.connected_accounts.list(limit=1)
    second = await composio.connected_accounts.list(limit=1, cursor=first.next_cursor)

    assert [page.items[0].id for page in (first, second)] == [made[0], made[0]]
    assert first.next_cursor == second.next_cursor is not None


async def test_faults_choose_by_method_and_path(world: StandIn, composio: AsyncComposio) -> None:
    account = world.connect("gmail")
    world.fail(Refuse(500), method="*", path="*/revoke", times=None)

    await composio.connected_accounts.list()
    await composio.connected_accounts.retrieve(account.id)
    for _ in range(2):
        with pytest.raises(composio_client.InternalServerError):
            await composio.connected_accounts.revoke(account.id)
    world.clear_faults()
    await composio.connected_accounts.revoke(account.id)


async def test_the_first_registered_fault_goes_first(world: StandIn, http: httpx.AsyncClient) -> None:
    world.fail(Refuse(500), skip=1)
    world.fail(Refuse(429), times=2)

    answers = [(await http.get(f"{API}/connected_accounts")).status_code for _ in range(4)]

    assert answers == [429, 500, 429, 200]


# The server


async def test_closing_ends_fast_while_a_request_hangs(world: StandIn, composio: AsyncComposio) -> None:
    arrived = asyncio.Event()
    account = world.connect("gmail")
    world.fail(Lost(Hang(), hook=lambda _: arrived.set()), method="DELETE")
    request = asyncio.create_task(composio.connected_accounts.delete(account.id))
    await asyncio.wait_for(arrived.wait(), 5)

    await asyncio.wait_for(world.close(), 0.5)

    with pytest.raises(composio_client.APIConnectionError):
        await asyncio.wait_for(request, 5)


async def test_a_closed_server_can_start_again(world: StandIn) -> None:
    account = world.connect("gmail")
    port = int(world.base_url.rpartition(":")[2])

    await world.close()
    await world.close()
    await world.start(port)

    async with client_of(world) as composio:
        assert await ids(composio) == [account.id]


async def test_a_taken_port_is_an_error(world: StandIn) -> None:
    port = int(world.base_url.rpartition(":")[2])

    with pytest.raises(OSError, match="in use"):
        await StandIn().start(port)


def test_there_is_no_address_before_the_start() -> None:
    with pytest.raises(RuntimeError, match="not been started"):
        _ = StandIn().dashboard_url


# The dashboard


async def press(http: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
    """What a browser does for a form on the page."""
    origin = str(http.base_url).rstrip("/")
    return await http.post(f"/accounts/{path}", data=form, headers={"Origin": origin})


async def test_the_page_shows_the_accounts_of_its_user(world: StandIn, http: httpx.AsyncClient) -> None:
    mine = world.connect("googledrive", alias="holiday photos", age=DAY)
    world.expire(mine.id)
    theirs = world.connect("gmail", user_id="other")

    answer = await http.get("/accounts")

    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<title>Stand-in for Composio's dashboard</title>" in answer.text
    for words in ("Google Drive", "holiday photos", "Expired", "21 Nov 2026", "peterbot-user", mine.id):
        assert words in answer.text
    assert theirs.id not in answer.text
    assert SECRET not in answer.text


async def test_the_buttons_change_the_world(world: StandIn, http: httpx.AsyncClient) -> None:
    answer = await press(http, "connect", toolkit="notion")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/accounts")
    [account] = world.accounts.values()
    assert (account.toolkit, account.user_id) == ("notion", "peterbot-user")

    seen = []
    for action in ("disable", "enable", "expire"):
        assert (await press(http, f"{account.id}/{action}")).status_code == 303
        seen.append(account.status)
    assert seen == ["INACTIVE", "ACTIVE", "EXPIRED"]

    await press(http, f"{account.id}/remove")
    assert world.accounts == {}


async def test_every_app_has_a_button_that_connects_it(world: StandIn, http: httpx.AsyncClient) -> None:
    html = (await http.get("/accounts")).text

    assert "slack" in APPS
    for toolkit in APPS:
        assert f'name="toolkit" value="{toolkit}"' in html
        assert (await press(http, "connect", toolkit=toolkit)).status_code == 303
    assert [account.toolkit for account in world.accounts.values()] == list(APPS)


async def test_buttons_of_a_page_that_went_stale_do_nothing(world: StandIn, http: httpx.AsyncClient) -> None:
    account = world.connect("gmail", status="REVOKED")

    assert (await press(http, f"{account.id}/enable")).status_code == 303
    assert (await press(http, "ca_nobody/remove")).status_code == 303

    assert account.status == "REVOKED"


async def test_forms_that_are_not_on_the_page_are_refused(world: StandIn, http: httpx.AsyncClient) -> None:
    account = world.connect("gmail")

    assert (await press(http, "connect", toolkit="fax")).status_code == 400
    assert (await press(http, "connect")).status_code == 400
    assert (await press(http, f"{account.id}/explode")).status_code == 404


async def test_text_from_outside_is_escaped(world: StandIn, http: httpx.AsyncClient) -> None:
    evil = "\"'><script>alert(1)</script>"
    world.user_id = evil
    world.connect(evil, id=evil, alias=evil, status=evil, status_reason=evil, account_type=evil, user_id=evil)

    html = (await http.get("/accounts")).text

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script" not in html
    assert "\"'>" not in html


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
)
async def test_a_form_from_another_site_is_refused(
    world: StandIn, http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    account = world.connect("gmail")

    connected = await http.post("/accounts/connect", data={"toolkit": "notion"}, headers=headers)
    removed = await http.post(f"/accounts/{account.id}/remove", headers=headers)

    assert (connected.status_code, removed.status_code) == (403, 403)
    assert list(world.accounts) == [account.id]


async def test_the_page_works_under_the_name_localhost_too(world: StandIn, http: httpx.AsyncClient) -> None:
    host = world.base_url.replace("http://127.0.0.1", "localhost")
    headers = {"Host": host, "Origin": f"http://{host}"}

    answer = await http.post("/accounts/connect", data={"toolkit": "notion"}, headers=headers)

    assert answer.status_code == 303
