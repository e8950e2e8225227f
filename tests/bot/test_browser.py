"""The sandbox as a visitor meets it: a channel in one browser tab, Composio's dashboard in another."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
START_SECONDS, STOP_SECONDS = 120, 30
PATIENCE = 30_000  # milliseconds, for anything that a page should show
# The page takes one thing at a time, and is silent about a click that comes too early.
READY = """() => {
    const page = window.simcordPreview;
    return page && page.ready && page.authorized && page.awaitingRevision === null
        && !page.pendingAction && !page.transport.uncertainRequestId;
}"""


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox and the addresses that it printed."""

    process: Process
    channel: str
    dashboard: str

    async def stop(self) -> tuple[int | None, str]:
        """Press Ctrl+C; the exit code, and what it wrote to stderr."""
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(STOP_SECONDS):
            _, stderr = await self.process.communicate()
        return self.process.returncode, stderr.decode()


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "sandbox", "--port", "0"),
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            yield Sandbox(process, *await addresses(process))
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def addresses(process: Process) -> list[str]:
    """The two addresses, as soon as the sandbox has told all that it tells."""
    assert process.stdout is not None
    said = ""
    while "Ctrl+C" not in said:
        line = await process.stdout.readline()
        assert line, f"the sandbox ended early: {said}"
        said += line.decode()
    return re.findall(r"http://127\.0\.0\.1:\S+", said)


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A tab of a headless browser."""
    playwright = pytest.importorskip("playwright.async_api", reason="Playwright is not installed")
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)}")
    playwright.expect.set_options(timeout=PATIENCE)
    async with playwright.async_playwright() as running:
        browser = await running.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"]
        )
        tab = await browser.new_page(viewport={"width": 1100, "height": 1000})
        tab.set_default_timeout(PATIENCE)
        yield tab
        await browser.close()


async def use(page: Page, command: str) -> Locator:
    """Type a command without options, choose it, send it; the message that answers."""
    from playwright.async_api import expect  # noqa: PLC0415 – where it is missing this test is skipped

    messages = page.locator("#channel-message-list > article")
    before = await messages.count()
    await page.locator("#channel-composer-input").fill(command)
    await page.get_by_role("option", name=command).click()
    await page.wait_for_function(READY)
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(messages).to_have_count(before + 1)
    return messages.nth(before)


@pytest.fixture
async def channel(sandbox: Sandbox, page: Page) -> Locator:
    """The messages of the channel; the last one is the board."""
    await page.goto(sandbox.channel)
    await page.wait_for_function(READY)
    return page.locator("#channel-message-list > article")


async def test_a_visitor_connects_an_app_and_sees_the_list_brought_up_to_date(
    sandbox: Sandbox, page: Page, channel: Locator
) -> None:
    from playwright.async_api import expect  # noqa: PLC0415 – where it is missing this test is skipped

    board = channel.nth(await channel.count() - 1)
    await page.get_by_label("Viewing as").select_option(label="Max (member)")
    await page.wait_for_function(READY)
    newest = await use(page, "/integrations list")
    await expect(newest).to_contain_text("Max (member) used /integrations")
    await expect(newest).to_contain_text("🔴 Linear · Not connected")

    async with page.expect_popup() as opened:
        await newest.get_by_role("link", name="Open Composio").click()
    dashboard = await opened.value
    assert dashboard.url == sandbox.dashboard
    await dashboard.get_by_role("button", name="Connect Linear").click()
    await expect(dashboard.get_by_role("row", name="Linear")).to_contain_text("Connected")

    await page.bring_to_front()
    await expect(board).to_contain_text("🟢 Linear · Connected")
    await page.wait_for_function(READY)
    await newest.get_by_role("button", name="Sync from Composio").click()
    await expect(newest).to_contain_text("🟢 Linear · Connected")
    await expect(channel.last).to_contain_text("Only you can see this")

    assert await sandbox.stop() == (0, "")


async def test_the_bot_tells_by_itself_what_breaks_and_what_works_again(
    sandbox: Sandbox, page: Page, channel: Locator
) -> None:
    from playwright.async_api import expect  # noqa: PLC0415 – where it is missing this test is skipped

    before = await channel.count()
    board = channel.nth(before - 1)
    await expect(board).to_contain_text("🟢 Google Docs · Connected")
    assert page.context.browser is not None
    dashboard = await page.context.browser.new_page()
    await dashboard.goto(sandbox.dashboard)

    await dashboard.get_by_role("row", name="Google Docs").get_by_role("button", name="Expire").click()
    alert = channel.nth(before)
    await expect(alert).to_contain_text("🟠 Google Docs needs reconnecting")
    await expect(board).to_contain_text("🟠 Google Docs · Needs reconnecting")

    await dashboard.get_by_role("button", name="Connect Google Docs").click()
    await expect(alert).to_contain_text("🟢 Google Docs works again")
    await expect(board).to_contain_text("🟢 Google Docs · Connected")
    await expect(channel).to_have_count(before + 1)

    assert await sandbox.stop() == (0, "")


async def test_an_app_is_connected_from_the_channel_without_ever_seeing_a_user_id(
    sandbox: Sandbox, page: Page, channel: Locator
) -> None:
    from playwright.async_api import expect  # noqa: PLC0415 – where it is missing this test is skipped

    board = channel.nth(await channel.count() - 1)
    await board.get_by_role("combobox").click()
    await page.get_by_role("option", name="Linear").click()
    await page.wait_for_function(READY)
    card = channel.last
    await expect(card).to_contain_text("🔴 Linear · Not connected")
    await card.get_by_role("button", name="Connect now").click()
    offer = channel.last
    await expect(offer).to_contain_text("Connect Linear")
    await expect(offer).to_contain_text("Whoever opens the link connects their own account")

    async with page.expect_popup() as opened:
        await offer.get_by_role("link", name="Open the link").click()
    consent = await opened.value
    await expect(consent.get_by_role("button", name="Deny")).to_be_visible()
    assert "peterbot-user" not in await consent.inner_text("body")
    await consent.get_by_role("button", name="Allow").click()

    await page.bring_to_front()
    await expect(offer).to_contain_text("🟢 Linear is connected")
    await expect(board).to_contain_text("🟢 Linear · Connected")
    await expect(page.locator("body")).not_to_contain_text("peterbot-user")

    assert await sandbox.stop() == (0, "")
