"""``python -m cogs.integrations check``: whether each part works, line by line. Nothing is created or migrated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from storage.integrations import DatabaseReport, Finding, StorageError, inspect_database

from .assembly import read_catalog
from .chat.troubles import for_error
from .composio.gateway import ComposioGateway
from .mirror.errors import IntegrationError, SettingsError
from .settings import IntegrationsSettings

# Words that every terminal can show; colour never stands alone, and neither does a sign.
_OK, _BAD = "ok     ", "FAILED "


async def check() -> bool:
    """Print a line for each part of the plugin; True when all of them work."""
    try:
        settings = IntegrationsSettings.read()
        tenancy = settings.tenancy
        providers = read_catalog(settings).providers
    except SettingsError as error:
        return say("settings", str(error), good=False)
    servers = f"{len(tenancy.guild_ids)} named" if tenancy.guild_ids else "all"
    say("settings", f"{len(providers)} providers; Composio user {tenancy.user_id}; servers: {servers}")
    results = [
        await part("database", lambda: _database(settings.database_url.get_secret_value())),
        await part("composio", lambda: _composio(settings)),
    ]
    return all(results)


def say(name: str, text: str, *, good: bool = True) -> bool:
    """Print a part's line; returns *good*."""
    print(f"{_OK if good else _BAD}{name:<9} {text}")  # noqa: T201 – the command line prints
    return good


async def part(name: str, work: Callable[[], Awaitable[str]]) -> bool:
    """Print what *work* says, or why it failed."""
    try:
        return say(name, await work())
    except IntegrationError as error:
        return say(name, f"{for_error(error)} ({error})", good=False)
    except SettingsError as error:
        return say(name, str(error), good=False)
    except StorageError as error:
        return say(name, f"INTEGRATIONS_DATABASE_URL: {error}", good=False)


async def _database(url: str) -> str:
    report = await inspect_database(url)
    where = f"the file {report.path.absolute()}" if report.path else "the database"
    match report.finding:
        case Finding.CURRENT:
            return f"{where} is up to date (version {report.version})"
        case Finding.OUTDATED:
            return f"{where} has version {report.version}; the next start brings it to {report.newest}"
        case Finding.MISSING:
            return f"{where} does not exist yet; the next start makes it"
        case Finding.EMPTY:
            return f"{where} is empty; the next start makes the tables"
        case Finding.NO_FOLDER:
            raise SettingsError(
                f"INTEGRATIONS_DATABASE_URL is wrong: the folder of {_file(report)} does not exist"
            )
        case Finding.NOT_WRITABLE:
            raise SettingsError(f"INTEGRATIONS_DATABASE_URL is wrong: {_file(report)} cannot be written")


def _file(report: DatabaseReport) -> str:
    return str(report.path.absolute()) if report.path else "the database"


async def _composio(settings: IntegrationsSettings) -> str:
    gateway = ComposioGateway(api_key=settings.api_key.get_secret_value(), base_url=settings.base_url)
    try:
        await gateway.check()
        return f"{settings.base_url} accepts the API key"
    finally:
        await gateway.close()
