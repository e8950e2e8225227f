"""The board, as a server sees it: real discord.py, a real database, and a Composio that is a stand-in."""

from __future__ import annotations

from pathlib import Path

import discord
import pytest

from bot.sandbox.faults import Refuse
from tests.conftest import World, execute, labels_of, message_of, shown, synced
from tests.hosts.boards import BROKEN, CONNECTED, OFF, board, boards, placed, refuse, sent, stored, toggle
from tests.hosts.host import plugin
from tests.hosts.work import connected


@pytest.fixture(autouse=True)
async def loaded(world: World) -> None:
    await plugin(world, "load")


# What it shows


async def test_it_is_the_list_as_a_message_of_the_bot(world: World) -> None:
    await connected(world)

    message = await placed(world)

    assert board(world.channel) == shown(await world.member.slash(world.channel, "integrations list"))
    assert stored() == (world.channel.id, message.id)


async def test_it_follows_a_sync_and_a_switch(world: World) -> None:
    await placed(world)
    assert "Never synced" in board(world.channel)

    await connected(world)
    assert CONNECTED in board(world.channel)

    await toggle(world, on=False)
    assert OFF in board(world.channel)


async def test_it_follows_what_another_process_writes(world: World) -> None:
    await connected(world)
    await placed(world)

    execute("UPDATE integrations_provider SET state = 'needs_reconnect' WHERE provider = 'github'")
    await world.env.advance_time(5)

    assert BROKEN in board(world.channel)


async def test_changes_in_a_row_are_one_edit_and_the_last_counts(world: World) -> None:
    await connected(world)
    await placed(world)
    before = sent(world)

    for on in (False, True, False, True, False):
        await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=on)
    await world.env.advance_time(60)

    assert OFF in board(world.channel)
    assert sent(world) - before == {"PATCH": 1}


async def test_what_ends_where_it_began_is_no_edit(world: World) -> None:
    await connected(world)
    await placed(world)
    before = sent(world)

    for on in (False, True):
        await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=on)
    await world.env.advance_time(60)

    assert sent(world) == before


async def checked_every_20_seconds(world: World, environment: pytest.MonkeyPatch) -> None:
    """GitHub is connected and on the board; from now on Composio answers nobody."""
    environment.setenv("INTEGRATIONS_SYNC_INTERVAL", "20")
    await plugin(world, "reload")
    await connected(world)
    await placed(world)
    world.composio.fail(Refuse(401), times=None)


async def test_nothing_is_edited_because_time_passes_until_it_is_stale_and_fresh_again(
    world: World, environment: pytest.MonkeyPatch
) -> None:
    await checked_every_20_seconds(world, environment)
    before = sent(world)

    await world.env.advance_time(45)
    assert sent(world) == before
    await world.env.advance_time(15)
    assert "⚠️ Not checked since <t:" in board(world.channel)
    await world.env.advance_time(300)
    assert sent(world) - before == {"PATCH": 1}

    world.composio.clear_faults()
    await synced(world)

    assert "Not checked" not in board(world.channel)
    assert "Checked <t:" in board(world.channel)
    assert sent(world) - before == {"PATCH": 2}


async def test_what_another_process_has_checked_meanwhile_is_not_stale(
    world: World, environment: pytest.MonkeyPatch
) -> None:
    await checked_every_20_seconds(world, environment)
    before = sent(world)
    await world.env.advance_time(40)

    execute("UPDATE integrations_sync SET synced_at = ?", world.env.now().strftime("%Y-%m-%d %H:%M:%S.%f"))
    await world.env.advance_time(50)

    assert sent(world) == before
    await world.env.advance_time(15)
    assert "⚠️ Not checked since <t:" in board(world.channel)


# A restart


async def test_a_restart_without_news_edits_nothing(world: World) -> None:
    await connected(world)
    await placed(world)
    before = sent(world)

    await plugin(world, "reload")
    await world.env.advance_time(60)

    assert sent(world) == before


async def test_a_restart_finds_what_has_changed_meanwhile_and_goes_on(world: World) -> None:
    await connected(world)
    await placed(world)
    await plugin(world, "unload")
    execute("UPDATE integrations_provider SET state = 'needs_reconnect' WHERE provider = 'github'")

    await plugin(world, "load")
    await world.env.advance_time(5)

    assert BROKEN in board(world.channel)
    await connected(world)
    assert CONNECTED in board(world.channel)


async def test_after_an_unload_nothing_edits_it(world: World) -> None:
    await connected(world)
    await placed(world)
    before = sent(world)
    refuse(world, "PATCH", 50001)
    await toggle(world, on=False)  # which is tried again

    await plugin(world, "unload")
    await world.env.advance_time(600)

    assert sent(world) - before == {"PATCH": 1}


# Where it stands


async def test_used_again_it_moves(world: World) -> None:
    elsewhere = world.guild.create_text_channel("ops")
    await connected(world)
    await placed(world)

    await placed(world, elsewhere)

    assert boards(world.channel) == []
    assert CONNECTED in board(elsewhere)
    await toggle(world, on=False)
    assert OFF in board(elsewhere)


async def test_used_again_in_the_same_place_it_is_the_last_message_there(world: World) -> None:
    first = await placed(world)

    second = await placed(world)

    assert [message.id for message in boards(world.channel)] == [second.id]
    assert second.id > first.id


async def test_deleting_the_message_ends_it_at_the_next_edit(world: World) -> None:
    await connected(world)
    message = await placed(world)
    await world.admin.delete(message)
    before = sent(world)

    await toggle(world, on=False)
    await world.env.advance_time(300)
    await toggle(world, on=True)

    assert sent(world) - before == {"PATCH": 1}
    assert stored() == (None, None)
    assert boards(world.channel) == []


async def test_deleting_its_channel_ends_it(world: World) -> None:
    elsewhere = world.guild.create_text_channel("ops")
    await placed(world, elsewhere)
    channel = world.env.bot.get_channel(elsewhere.id)
    assert isinstance(channel, discord.TextChannel)

    await channel.delete()
    await world.env.settle()

    assert stored() == (None, None)


async def test_members_cannot_post_it(world: World) -> None:
    result = await world.member.slash(world.channel, "integrations board")

    assert result.ephemeral
    assert "Manage Server" in shown(result)
    assert boards(world.channel) == []


async def test_it_goes_nowhere_where_the_asker_may_not_write(world: World) -> None:
    closed = discord.PermissionOverwrite(send_messages=False)
    news = world.guild.create_text_channel("news", overwrites={world.manager: closed})

    result = await world.manager.slash(world.channel, "integrations board", channel=news)

    assert shown(result) == f"You may not write in <#{news.id}>, so the board cannot go there."
    assert boards(news) == []


async def test_the_answer_names_what_the_bot_lacks(world: World) -> None:
    assert world.env.bot.user is not None
    closed = discord.PermissionOverwrite(send_messages=False, embed_links=False)
    quiet = world.guild.create_text_channel("quiet", overwrites={world.env.bot.user: closed})

    result = await world.manager.slash(world.channel, "integrations board", channel=quiet)

    lacks = "**Send Messages** and **Embed Links**"
    assert shown(result) == f"The bot cannot post the board in <#{quiet.id}>: there it lacks {lacks}."
    assert result.ephemeral


# Its buttons


async def test_its_sync_answers_who_presses_alone_and_the_board_shows_it(world: World) -> None:
    message = await placed(world)
    world.composio.connect("github")

    result = await world.member.click(message, label="Sync from Composio")

    assert result.ephemeral
    assert "1 added" in shown(result)
    assert CONNECTED in board(world.channel)


async def test_its_menu_opens_a_card_for_who_chooses(world: World) -> None:
    await connected(world)
    message = await placed(world)

    card = await world.member.select(message, ["github"])

    assert card.ephemeral
    assert "🟢 GitHub · Connected" in shown(card)


async def test_it_is_paged_privately_and_stays_where_it_is(
    world: World, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    apps = [
        f'[[provider]]\nid = "app{n}"\nlabel = "App {n}"\ncategory = "All"\ndescription = "x"\n' for n in range(60)
    ]
    catalog = tmp_path / "catalog.toml"
    catalog.write_text("extend = false\n" + "\n".join(apps), "utf-8")
    environment.setenv("INTEGRATIONS_CATALOG", str(catalog))
    await plugin(world, "reload")
    message = await placed(world)
    before = board(world.channel)

    second = await world.member.click(message, label="Next")
    assert second.ephemeral
    assert "Page 2 of 3" in shown(second)
    await world.member.click(message_of(second), label="Next")

    assert "Page 3 of 3" in shown(second)
    assert board(world.channel) == before
    assert "Page 1 of 3" in before
    assert "Sync from Composio" in labels_of(message_of(second))
