"""``python -m bot check``: whether each part works, line by line, without starting the bot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import aiohttp
import discord

from bot.settings import BotSettings
from cogs.integrations import IntegrationsSettings, SettingsError, words
from cogs.integrations.catalog import load
from cogs.integrations.composio import ComposioGateway
from cogs.integrations.errors import CatalogError, IntegrationError
from storage.integrations import StorageError, open_engine, prepare

# A tick that every terminal can show; colour never stands alone, and neither does a sign.
_OK, _BAD = "ok     ", "FAILED "


async def check() -> bool:
    """Print a line for each part; True when all of them work."""
    try:
        settings = IntegrationsSettings.read()
        tenancy = settings.tenancy
        providers = load(settings.catalog).providers
    except CatalogError as error:
        return _say("settings", f"INTEGRATIONS_CATALOG is wrong: {error}", good=False)
    except SettingsError as error:
        return _say("settings", str(error), good=False)
    servers = f"{len(tenancy.guild_ids)} named" if tenancy.guild_ids else "all"
    _say("settings", f"{len(providers)} providers; Composio user {tenancy.user_id}; servers: {servers}")
    results = [
        await _part("database", lambda: _database(settings)),
        await _part("composio", lambda: _composio(settings)),
        await _part("discord", _discord),
    ]
    return all(results)


def _say(part: str, text: str, *, good: bool = True) -> bool:
    print(f"{_OK if good else _BAD}{part:<9} {text}")
    return good


async def _part(name: str, work: Callable[[], Awaitable[str]]) -> bool:
    try:
        return _say(name, await work())
    except IntegrationError as error:
        return _say(name, f"{words.for_error(error)} ({error})", good=False)
    except SettingsError as error:
        return _say(name, str(error), good=False)
    except StorageError as error:
        return _say(name, f"INTEGRATIONS_DATABASE_URL: {error}", good=False)
    except discord.LoginFailure:
        return _say(name, "DISCORD_TOKEN is wrong: Discord refused it", good=False)
    except (aiohttp.ClientError, discord.HTTPException, OSError) as error:
        return _say(name, f"Discord cannot be asked: {type(error).__name__}", good=False)


async def _database(settings: IntegrationsSettings) -> str:
    engine = open_engine(settings.database_url.get_secret_value())
    try:
        await prepare(engine)
        # A password can stand in the query, too, where it would not be hidden.
        return f"{engine.url.set(query={}).render_as_string(hide_password=True)} is up to date"
    finally:
        await engine.dispose()


async def _composio(settings: IntegrationsSettings) -> str:
    gateway = ComposioGateway(api_key=settings.api_key.get_secret_value(), base_url=settings.base_url)
    try:
        await gateway.check()
        return f"{settings.base_url} accepts the API key"
    finally:
        await gateway.close()


async def _discord() -> str:
    token = BotSettings.read().token.get_secret_value()
    async with discord.Client(intents=discord.Intents.none()) as client:
        await client.login(token)
        return f"the token belongs to {client.user}"
