"""The page behind a connect link as a browser sees it."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from bot.sandbox.model import Link
from bot.sandbox.project import DENIED
from bot.sandbox.standin import StandIn
from tests.bot.conftest import NOW


@pytest.fixture
def link(standin: StandIn) -> Link:
    return standin.make_link("linear", "a-user-id")


async def press(http: httpx.AsyncClient, link: Link, choice: str, **form: str) -> httpx.Response:
    """What a browser does for a button of the page, up to the page that it is sent to."""
    origin = str(http.base_url).rstrip("/")
    answer = await http.post(f"/link/{link.token}/{choice}", data=form, headers={"Origin": origin})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/link/{link.token}")
    return await http.get(answer.headers["Location"])


async def test_the_page_asks_before_anything_is_connected(
    standin: StandIn, http: httpx.AsyncClient, link: Link
) -> None:
    answer = await http.get(f"/link/{link.token}")

    for words in (
        "Peterbot would like to use Linear",
        "practice page",
        "10:10 UTC on 22 Nov 2026",
        "Allow",
        "Deny",
    ):
        assert words in answer.text
    assert "a-user-id" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert standin.accounts[link.account_id].status == "INITIATED"


async def test_whoever_allows_it_becomes_the_account(
    standin: StandIn, http: httpx.AsyncClient, link: Link
) -> None:
    ended = await press(http, link, "allow", owner=" max@example.com ")

    account = standin.accounts[link.account_id]
    assert (account.status, account.owner) == ("ACTIVE", "max@example.com")
    for words in ("Linear is connected", "max@example.com", "close this tab"):
        assert words in ended.text
    assert "<form" not in ended.text


async def test_whoever_denies_it_ends_it(standin: StandIn, http: httpx.AsyncClient, link: Link) -> None:
    ended = await press(http, link, "deny")

    account = standin.accounts[link.account_id]
    assert (account.status, account.status_reason) == ("FAILED", DENIED)
    for words in ("Linear is not connected", "You have denied it", "close this tab"):
        assert words in ended.text
    assert "Linear is not connected" in (await press(http, link, "allow", owner="max@example.com")).text


async def test_a_link_of_ten_minutes_ago_has_expired(
    standin: StandIn, http: httpx.AsyncClient, link: Link
) -> None:
    standin.clock = lambda: NOW + timedelta(minutes=10)

    assert "This link has expired" in (await http.get(f"/link/{link.token}")).text
    assert "This link has expired" in (await press(http, link, "allow", owner="max@example.com")).text
    assert standin.accounts[link.account_id].status == "EXPIRED"


async def test_a_link_whose_account_has_moved_on_is_used(
    standin: StandIn, http: httpx.AsyncClient, link: Link
) -> None:
    standin.allow(link.token)
    standin.expire(link.account_id)

    assert "This link has been used" in (await http.get(f"/link/{link.token}")).text


async def test_a_link_that_is_not_there_says_so(standin: StandIn, http: httpx.AsyncClient, link: Link) -> None:
    standin.remove(link.account_id)

    for token in (link.token, "lk_nobody"):
        answer = await http.get(f"/link/{token}")
        assert answer.status_code == 404
        assert "There is no such link" in answer.text


@pytest.mark.parametrize("form", [{}, {"owner": " "}, {"owner": "a\nb"}, {"owner": "x" * 101}], ids=str)
async def test_nobody_is_signed_in_under_no_name(
    standin: StandIn, http: httpx.AsyncClient, link: Link, form: dict[str, str]
) -> None:
    answer = await http.post(f"/link/{link.token}/allow", data=form)

    assert answer.status_code == 400
    assert standin.accounts[link.account_id].status == "INITIALIZING"


async def test_text_from_outside_is_escaped(standin: StandIn, http: httpx.AsyncClient) -> None:
    evil = "\"'><script>alert(1)</script>"
    standin.bot = evil
    link = standin.make_link(evil, evil)
    standin.accounts[link.account_id].owner = evil

    asked = (await http.get(f"/link/{link.token}")).text
    ended = (await press(http, link, "allow", owner=evil)).text

    for html in (asked, ended):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "<script" not in html


@pytest.mark.parametrize("choice", ["allow", "deny"])
@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Host": "evil.example", "Origin": "http://evil.example"}],
    ids=["another site", "another name"],
)
async def test_a_form_from_another_site_is_refused(
    standin: StandIn, http: httpx.AsyncClient, link: Link, choice: str, headers: dict[str, str]
) -> None:
    answer = await http.post(f"/link/{link.token}/{choice}", data={"owner": "eve"}, headers=headers)

    assert answer.status_code == 403
    assert standin.accounts[link.account_id].status == "INITIALIZING"
