"""Two servers that share a Composio user: the accounts are theirs together, the switch is each one's own."""

from __future__ import annotations

import discord
import pytest
from simcord.actors import MemberActor
from simcord.builders import ChannelHandle

from cogs.integrations import Condition, of
from storage.integrations import Action
from tests.conftest import GUILD_ID, USER_ID, World, card_of, shown
from tests.hosts.host import bot_of, plugin, tools
from tests.hosts.work import Work, connected, one_answer

OTHER = GUILD_ID + 1
HISTORY = "integrations history"


@pytest.fixture
async def there(world: World, environment: pytest.MonkeyPatch) -> tuple[MemberActor, ChannelHandle]:
    """A manager in the other server, where GitHub has just been switched off."""
    environment.setenv("INTEGRATIONS_GUILD_IDS", f"{GUILD_ID},{OTHER}")
    guild = world.env.create_guild("Elsewhere", id=OTHER)
    managers = guild.create_role("Managers", permissions=discord.Permissions(manage_guild=True))
    bea = guild.add_member(world.env.create_user("bea"), roles=[managers])
    channel = guild.create_text_channel("general")
    await bot_of(world).add_cog(Work())
    await plugin(world, "load")
    await connected(world)
    tools(world).changes.clear()

    moved = await bea.slash(channel, "integrations toggle", provider="github")

    assert "Switched off here." in shown(moved)
    return bea, channel


async def test_a_switch_moves_nothing_in_the_other_server(
    world: World, there: tuple[MemberActor, ChannelHandle]
) -> None:
    assert "🟢 **GitHub** · Connected" in shown(await world.member.slash(world.channel, "integrations list"))
    card = shown(await card_of(world, world.manager, "github"))
    assert "GitHub · Connected" in card
    assert "disabled" not in card
    assert shown(await world.member.slash(world.channel, "issues")) == "12 issues"
    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == ["github"]
    told = shown(await world.manager.slash(world.channel, HISTORY))
    assert "switched" not in told
    assert "connected" in told


async def test_a_switch_is_obeyed_and_remembered_where_it_was_moved(
    world: World, there: tuple[MemberActor, ChannelHandle]
) -> None:
    bea, channel = there

    assert "🟡 **GitHub** · Connected (disabled)" in shown(await bea.slash(channel, "integrations list"))
    assert "switched off here" in one_answer(await bea.slash(channel, "issues"))
    assert of(bot_of(world)).enabled_toolkits(OTHER) == []
    told = shown(await bea.slash(channel, HISTORY))
    assert "**GitHub** switched off · bea" in told
    assert "**GitHub** connected · someone in another server" in told


async def test_the_host_hears_of_the_switch_of_one_server_and_once_of_the_account_they_share(
    world: World, there: tuple[MemberActor, ChannelHandle]
) -> None:
    bea, channel = there
    [account] = world.composio.accounts.values()

    world.composio.remove(account.id)
    await world.env.advance_time(11)
    await bea.slash(channel, "integrations sync")

    seen = [(c.action, c.guild_id, c.person_id, c.before, c.after) for c in tools(world).changes]
    assert seen == [
        (Action.TOGGLE, OTHER, bea.id, Condition.CONNECTED, Condition.DISABLED),
        (Action.SYNC, OTHER, bea.id, Condition.CONNECTED, Condition.NOT_CONNECTED),
    ]
    assert {change.composio_user_id for change in tools(world).changes} == {USER_ID}
    told = shown(await world.manager.slash(world.channel, HISTORY))
    assert "**GitHub** no longer connected · someone in another server" in told
    assert "bea" not in told
