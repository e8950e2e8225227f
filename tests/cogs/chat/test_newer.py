"""What only a newer version knows, written into the database by it: shown as such, and in nobody's way."""

from __future__ import annotations

import pytest

from cogs import integrations
from cogs.integrations import Condition
from tests.conftest import GUILD_ID, World, card_of, execute, labels, message_of, shown, synced

NEWER = "newer than this bot knows"


@pytest.fixture
async def known(world: World) -> None:
    """Gmail and GitHub are connected; then a newer version has its own word for Gmail's state."""
    world.composio.connect("gmail")
    world.composio.connect("github")
    await synced(world)
    execute("UPDATE integrations_provider SET state = 'hibernating' WHERE provider = 'gmail'")
    await world.env.advance_time(10)


@pytest.mark.usefixtures("known")
async def test_the_list_shows_it_and_all_others(world: World) -> None:
    told = shown(await world.member.slash(world.channel, "integrations list"))

    assert "⚪ **Gmail** · Something newer than this bot knows" in told
    assert "🟢 **GitHub** · Connected" in told
    assert "**1 of 8** connected" in told


@pytest.mark.usefixtures("known")
async def test_the_card_shows_it_and_offers_no_switch(world: World) -> None:
    card = await card_of(world, world.admin, "gmail")

    assert "⚪ Gmail · Something newer than this bot knows" in shown(card)
    assert labels(card) == ["Connect now", "How to connect", "Open Composio"]


@pytest.mark.usefixtures("known")
async def test_the_suggestions_show_it(world: World) -> None:
    found = await world.member.autocomplete(world.channel, "integrations howto", "provider", "gmail")

    assert [choice["name"] for choice in found] == ["⚪ Gmail · Something newer than this bot knows"]


@pytest.mark.usefixtures("known")
async def test_its_switch_stays_where_the_newer_version_put_it(world: World) -> None:
    result = await world.manager.slash(world.channel, "integrations toggle", provider="gmail")

    assert result.ephemeral
    assert "Gmail was changed by a newer version of this bot, which has to switch it." in shown(result)


@pytest.mark.usefixtures("known")
async def test_it_is_not_counted_among_what_may_be_used(world: World) -> None:
    assert integrations.of(world.env.bot).enabled_toolkits(GUILD_ID) == ["github"]  # type: ignore[arg-type]


@pytest.mark.usefixtures("known")
async def test_a_sync_leaves_it_to_the_newer_version(world: World) -> None:
    result = await world.member.slash(world.channel, "integrations sync")

    assert "Already up to date" in shown(result)
    assert "Unchanged: GitHub" in shown(result)
    listed = shown(await world.member.slash(world.channel, "integrations list"))
    assert "⚪ **Gmail** · Something newer than this bot knows" in listed
    assert "🟢 **GitHub** · Connected" in listed


@pytest.mark.parametrize(
    ("column", "line"),
    [
        ("action", "🟢 **Gmail** changed in a way newer than this bot knows · ada"),
        ("after", "⚪ **Gmail** something newer than this bot knows · ada"),
        ("before", "🟢 **Gmail** connected · ada"),
        ("outcome", "🟢 **Gmail** connected · ada"),
    ],
)
@pytest.mark.usefixtures("known")
async def test_an_event_that_only_a_newer_version_knows_is_a_line_like_any_other(
    world: World, column: str, line: str
) -> None:
    execute(f"UPDATE integrations_event SET \"{column}\" = 'teleport' WHERE provider = 'gmail'")  # noqa: S608

    told = shown(await world.manager.slash(world.channel, "integrations history"))

    assert line in told
    assert "🟢 **GitHub** connected · ada" in told


@pytest.mark.usefixtures("known")
async def test_an_outcome_of_a_revoke_that_only_a_newer_version_knows(world: World) -> None:
    execute("UPDATE integrations_event SET action = 'revoke', outcome = 'undone' WHERE provider = 'gmail'")

    told = shown(await world.manager.slash(world.channel, "integrations history", provider="gmail"))

    assert f"Revoked, with an outcome {NEWER}" in told


@pytest.mark.usefixtures("known")
async def test_revoking_it_is_possible_and_told(world: World) -> None:
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="gmail"))
    await world.admin.click(question, label="Revoke 1 account")

    told = shown(await world.member.slash(world.channel, "integrations list"))
    assert "🔴 **Gmail** · Not connected" in told
    assert "🟢 **GitHub** · Connected" in told


def test_a_word_that_nobody_knows_is_a_newer_one() -> None:
    assert Condition("whatever comes") is Condition.NEWER


@pytest.mark.usefixtures("known")
async def test_the_log_says_it_once_and_not_again_after_a_reload(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    execute("UPDATE integrations_provider SET state = 'said once' WHERE provider = 'gmail'")
    for _ in range(2):
        await world.member.slash(world.channel, "integrations list")
        await world.env.bot.reload_extension("cogs.integrations")  # type: ignore[attr-defined]
    await world.member.slash(world.channel, "integrations list")

    assert len([record for record in caplog.records if "'said once'" in record.getMessage()]) == 1
