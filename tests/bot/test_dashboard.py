"""The dashboard as a browser sees it."""

from __future__ import annotations

import httpx
import pytest

from bot.sandbox.api import SECRET
from bot.sandbox.dashboard import APPS
from bot.sandbox.standin import StandIn
from tests.bot.conftest import DAY


async def press(http: httpx.AsyncClient, path: str, **form: str) -> httpx.Response:
    """What a browser does for a form on the page."""
    origin = str(http.base_url).rstrip("/")
    return await http.post(f"/accounts/{path}", data=form, headers={"Origin": origin})


async def test_the_page_shows_the_accounts_of_its_user(standin: StandIn, http: httpx.AsyncClient) -> None:
    mine = standin.connect("googledrive", alias="holiday photos", age=DAY)
    standin.expire(mine.id)
    theirs = standin.connect("gmail", user_id="other")

    answer = await http.get("/accounts")

    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<title>Stand-in for Composio's dashboard</title>" in answer.text
    for words in ("Google Drive", "holiday photos", "Expired", "21 Nov 2026", "peterbot-user", mine.id):
        assert words in answer.text
    assert theirs.id not in answer.text
    assert SECRET not in answer.text


async def test_the_buttons_change_the_world(standin: StandIn, http: httpx.AsyncClient) -> None:
    answer = await press(http, "connect", toolkit="notion")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/accounts")
    [account] = standin.accounts.values()
    assert (account.toolkit, account.user_id) == ("notion", "peterbot-user")

    seen = []
    for action in ("disable", "enable", "expire"):
        assert (await press(http, f"{account.id}/{action}")).status_code == 303
        seen.append(account.status)
    assert seen == ["INACTIVE", "ACTIVE", "EXPIRED"]

    await press(http, f"{account.id}/remove")
    assert standin.accounts == {}


async def test_every_app_has_a_button_that_connects_it(standin: StandIn, http: httpx.AsyncClient) -> None:
    html = (await http.get("/accounts")).text

    assert "slack" in APPS
    for toolkit in APPS:
        assert f'name="toolkit" value="{toolkit}"' in html
        assert (await press(http, "connect", toolkit=toolkit)).status_code == 303
    assert [account.toolkit for account in standin.accounts.values()] == list(APPS)


async def test_buttons_of_a_page_that_went_stale_do_nothing(standin: StandIn, http: httpx.AsyncClient) -> None:
    account = standin.connect("gmail", status="REVOKED")

    assert (await press(http, f"{account.id}/enable")).status_code == 303
    assert (await press(http, "ca_nobody/remove")).status_code == 303

    assert account.status == "REVOKED"


async def test_forms_that_are_not_on_the_page_are_refused(standin: StandIn, http: httpx.AsyncClient) -> None:
    account = standin.connect("gmail")

    assert (await press(http, "connect", toolkit="fax")).status_code == 400
    assert (await press(http, "connect")).status_code == 400
    assert (await press(http, f"{account.id}/explode")).status_code == 404


async def test_a_long_name_may_be_broken_between_its_words(standin: StandIn, http: httpx.AsyncClient) -> None:
    standin.connect("gmail", alias="first.last@example.org")

    assert "first.<wbr>last@<wbr>example.<wbr>org" in (await http.get("/accounts")).text


async def test_text_from_outside_is_escaped(standin: StandIn, http: httpx.AsyncClient) -> None:
    evil = "\"'><script>alert(1)</script>"
    standin.user_id = evil
    standin.connect(evil, id=evil, alias=evil, status=evil, status_reason=evil, account_type=evil, user_id=evil)

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
    standin: StandIn, http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    account = standin.connect("gmail")

    connected = await http.post("/accounts/connect", data={"toolkit": "notion"}, headers=headers)
    removed = await http.post(f"/accounts/{account.id}/remove", headers=headers)

    assert (connected.status_code, removed.status_code) == (403, 403)
    assert list(standin.accounts) == [account.id]


async def test_the_page_works_under_the_name_localhost_too(standin: StandIn, http: httpx.AsyncClient) -> None:
    host = standin.base_url.replace("http://127.0.0.1", "localhost")
    headers = {"Host": host, "Origin": f"http://{host}"}

    answer = await http.post("/accounts/connect", data={"toolkit": "notion"}, headers=headers)

    assert answer.status_code == 303


async def test_a_token_is_broken_without_a_word_to_composio(standin: StandIn, http: httpx.AsyncClient) -> None:
    account = standin.connect("gmail", age=DAY)
    standin.connect("notion", status="EXPIRED")
    before = account.updated_at
    assert (await http.get("/accounts")).text.count("Break token</button>") == 1

    assert (await press(http, f"{account.id}/break")).status_code == 303

    assert (account.status, account.token, account.updated_at) == ("ACTIVE", 401, before)
    html = (await http.get("/accounts")).text
    assert "Break token</button>" not in html
    assert "The app refuses its token" in html
