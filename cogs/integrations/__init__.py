"""The plugin: ``await bot.load_extension("cogs.integrations")``."""

from __future__ import annotations

from contextlib import AsyncExitStack

import discord
from discord.ext import commands

from storage.integrations import DatabaseRefusedError, StorageError, Store, open_engine, prepare

from . import catalog
from .cog import IntegrationsCog
from .composio import ComposioGateway
from .errors import CatalogError, SettingsError
from .flows import Flows
from .service import IntegrationService
from .settings import IntegrationsSettings
from .views import COG

__all__ = ["CatalogError", "IntegrationsSettings", "SettingsError", "setup", "teardown"]


async def setup(bot: commands.Bot) -> None:
    """Put the parts together and add the cog; what was opened is closed when that fails.

    Raises `SettingsError` with one sentence for whoever runs the bot.
    """
    await add_to(bot, IntegrationsSettings.read())


async def teardown(bot: commands.Bot) -> None:
    """Remove the cog, which closes what `setup` opened."""
    await bot.remove_cog(COG)


async def add_to(bot: commands.Bot, settings: IntegrationsSettings) -> None:
    """Like `setup`, with settings of the caller's."""
    tenancy = settings.tenancy
    providers = _catalog(settings)
    async with AsyncExitStack() as stack:
        store = await _store(settings, stack)
        gateway = ComposioGateway(api_key=settings.api_key.get_secret_value(), base_url=settings.base_url)
        stack.push_async_callback(gateway.close)
        service = IntegrationService(gateway=gateway, store=store, catalog=providers, clock=discord.utils.utcnow)
        stack.push_async_callback(service.close)
        flows = Flows(service=service, catalog=providers, tenancy=tenancy, dashboard_url=settings.dashboard_url)
        await bot.add_cog(IntegrationsCog(bot, flows=flows, resources=stack.pop_all()))


def _catalog(settings: IntegrationsSettings) -> catalog.Catalog:
    try:
        return catalog.load(settings.catalog)
    except CatalogError as error:
        raise CatalogError(f"INTEGRATIONS_CATALOG is wrong: {error}") from error


async def _store(settings: IntegrationsSettings, stack: AsyncExitStack) -> Store:
    try:
        engine = open_engine(settings.database_url.get_secret_value())
        stack.push_async_callback(engine.dispose)
        await prepare(engine)
    except DatabaseRefusedError as error:
        raise SettingsError(f"INTEGRATIONS_DATABASE_URL is wrong: {error}") from error
    except StorageError as error:
        raise SettingsError(
            f"INTEGRATIONS_DATABASE_URL cannot be used ({error}): check that the file or server can be reached "
            "and written"
        ) from error
    return Store(engine)
