"""Each fault, as Composio's own client meets it."""

from __future__ import annotations

import asyncio

import composio_client
import httpx
import pytest
from composio_client import AsyncComposio

from bot.sandbox.api import API
from bot.sandbox.faults import Alter, Cut, Dribble, Fault, Hang, Html, LoopingCursor, Lost, Raw, Refuse, Reset
from bot.sandbox.standin import StandIn
from tests.bot.conftest import DAY, client_of, ids


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
    standin: StandIn, client: AsyncComposio, fault: Fault, error: type[Exception]
) -> None:
    account = standin.connect("gmail")
    standin.fail(fault)

    with pytest.raises(error) as caught:
        await client.connected_accounts.list()

    assert caught.type is error
    assert await ids(client) == [account.id]


async def test_a_hang_runs_into_the_clients_time_out(standin: StandIn) -> None:
    standin.fail(Hang())

    async with client_of(standin, timeout=0.05) as hasty:
        with pytest.raises(composio_client.APITimeoutError):
            await hasty.connected_accounts.list()


@pytest.mark.parametrize("in_headers", [False, True])
async def test_what_dribbles_never_runs_into_the_clients_time_out(standin: StandIn, in_headers: bool) -> None:
    standin.fail(Dribble(in_headers))

    async with client_of(standin, timeout=0.1) as hasty:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hasty.connected_accounts.list(), 0.3)


async def test_a_refusal_brings_its_words_and_headers(standin: StandIn, client: AsyncComposio) -> None:
    standin.fail(Refuse(429, "Slow down", headers={"Retry-After": "7"}, flat=True))

    with pytest.raises(composio_client.RateLimitError, match="Slow down") as caught:
        await client.connected_accounts.list()

    assert caught.value.body == {"message": "Slow down"}
    assert caught.value.response.headers["Retry-After"] == "7"


@pytest.mark.parametrize("fault", [Reset(), Refuse(500), Html(504), Raw(b"")])
async def test_a_plain_fault_keeps_a_write_from_happening(
    standin: StandIn, client: AsyncComposio, fault: Fault
) -> None:
    account = standin.connect("gmail")
    standin.fail(fault, method="DELETE")

    with pytest.raises(composio_client.APIError):
        await client.connected_accounts.delete(account.id)

    assert account.id in standin.accounts


@pytest.mark.parametrize("fault", [Lost(), Lost(Hang()), Lost(Html(504)), Lost(Refuse(500)), Cut(after=3)])
async def test_a_write_whose_answer_is_lost_has_happened(standin: StandIn, fault: Fault) -> None:
    account = standin.connect("gmail")
    standin.fail(fault, method="DELETE")

    async with client_of(standin, timeout=0.5) as client:
        with pytest.raises(composio_client.APIError):
            await client.connected_accounts.delete(account.id)

    assert standin.accounts == {}


async def test_the_world_can_change_after_a_lost_write(standin: StandIn, client: AsyncComposio) -> None:
    account = standin.connect("gmail")
    standin.fail(Lost(Reset(), hook=lambda project: project.expire(account.id)), method="POST", path="*/revoke")

    with pytest.raises(composio_client.APIConnectionError):
        await client.connected_accounts.revoke(account.id)

    assert account.status == "EXPIRED"


async def test_a_looping_cursor_leads_back_to_the_first_page(standin: StandIn, client: AsyncComposio) -> None:
    made = [standin.connect("gmail", age=n * DAY).id for n in range(2)]
    standin.fail(LoopingCursor(), times=None)

    first = await client.connected_accounts.list(limit=1)
    second = await client.connected_accounts.list(limit=1, cursor=first.next_cursor)

    assert [page.items[0].id for page in (first, second)] == [made[0], made[0]]
    assert first.next_cursor == second.next_cursor is not None


async def test_faults_choose_by_method_and_path(standin: StandIn, client: AsyncComposio) -> None:
    account = standin.connect("gmail")
    standin.fail(Refuse(500), method="*", path="*/revoke", times=None)

    await client.connected_accounts.list()
    await client.connected_accounts.retrieve(account.id)
    for _ in range(2):
        with pytest.raises(composio_client.InternalServerError):
            await client.connected_accounts.revoke(account.id)
    standin.clear_faults()
    await client.connected_accounts.revoke(account.id)


async def test_the_first_registered_fault_goes_first(standin: StandIn, http: httpx.AsyncClient) -> None:
    standin.fail(Refuse(500), skip=1)
    standin.fail(Refuse(429), times=2)

    answers = [(await http.get(f"{API}/connected_accounts")).status_code for _ in range(4)]

    assert answers == [429, 500, 429, 200]
