"""``python -m bot check``: whether the plugin's parts work, and Discord, without starting the bot."""

from __future__ import annotations

import aiohttp
import discord

from bot.settings import BotSettings
from cogs.integrations.check import check as check_plugin
from cogs.integrations.check import part
from cogs.integrations.mirror.errors import SettingsError


async def check() -> bool:
    """Print a line for each part; True when all of them work."""
    plugin = await check_plugin()
    return await part("discord", _discord) and plugin


async def _discord() -> str:
    token = BotSettings.read().token.get_secret_value()
    try:
        async with discord.Client(intents=discord.Intents.none()) as client:
            await client.login(token)
            return f"the token belongs to {client.user}"
    except discord.LoginFailure:
        raise SettingsError("DISCORD_TOKEN is wrong: Discord refused it") from None
    except (aiohttp.ClientError, discord.HTTPException, OSError) as error:
        raise SettingsError(f"Discord cannot be asked: {type(error).__name__}") from None
