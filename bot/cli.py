"""The command line: run the bot, check its settings, or try it in the sandbox."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Sequence

import aiohttp
import discord
from discord.ext import commands

from bot.client import Bot
from bot.settings import BotSettings
from cogs.integrations import IntegrationsSettings, SettingsError

EXIT_OK, EXIT_FAILED, EXIT_SETTINGS = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit code: 0, 1 for a failure, 2 for a wrong setting."""
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "check":
                from bot.check import check  # noqa: PLC0415 – each command loads only what it needs

                return EXIT_OK if asyncio.run(check()) else EXIT_FAILED
            case "sandbox":
                return _sandbox(options)
            case _:
                return _run()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_SETTINGS
    except KeyboardInterrupt:
        return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bot", description="A bot that knows which apps are connected."
    )
    subparsers = parser.add_subparsers(dest="command", metavar="command")
    subparsers.add_parser("run", help="log in to Discord (this is what happens without a command)")
    subparsers.add_parser("check", help="say whether settings, database, Composio and Discord work")
    sandbox = subparsers.add_parser("sandbox", help="try everything in a browser, without account, key or network")
    sandbox.add_argument("--no-serve", action="store_true", help="print the main job and end")
    sandbox.add_argument("--port", type=_port, default=0, help="the port of the page (default: a free one)")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _sandbox(options: argparse.Namespace) -> int:
    try:
        from simcord import SetupError  # noqa: PLC0415

        from bot.sandbox.run import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"the sandbox needs {error.name}: install it with pip install -e '.[sandbox]'"
        ) from error
    logging.basicConfig(level=logging.ERROR)  # what goes wrong on purpose is on the page already
    try:
        return asyncio.run(run(serve=not options.no_serve, port=options.port))
    except SetupError as error:
        return _failed(f"the sandbox cannot be shown: {error}")


def _run() -> int:
    settings = BotSettings.read()
    plugin = IntegrationsSettings.read()
    _set_up_logging()
    try:
        asyncio.run(_serve(Bot(plugin.guild_ids), settings.token.get_secret_value()))
    except discord.LoginFailure:
        raise SettingsError(
            "DISCORD_TOKEN is wrong: Discord refused it; copy it again from the developer portal"
        ) from None
    except commands.ExtensionFailed as error:
        if isinstance(error.original, SettingsError):
            raise error.original from None
        raise
    except (aiohttp.ClientConnectionError, discord.DiscordServerError, discord.GatewayNotFound) as error:
        return _failed(f"Discord cannot be reached: {error}")
    return EXIT_OK


def _failed(text: str) -> int:
    print(text, file=sys.stderr)
    return EXIT_FAILED


def _set_up_logging() -> None:
    discord.utils.setup_logging()
    # Its lines hold whole addresses, and so the Composio user ids, which can be somebody's address.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    # Nobody speaks here: that the libraries for voice are missing is no news.
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False


async def _serve(bot: Bot, token: str) -> None:
    """Run until Discord or a signal ends it, and close everything then."""
    loop = asyncio.get_running_loop()
    async with bot:
        running = asyncio.create_task(bot.start(token))
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows has no handlers; Ctrl+C still works
                loop.add_signal_handler(number, running.cancel)
        await asyncio.wait([running])
    _let_threads_end()
    if not running.cancelled():
        running.result()


def _let_threads_end() -> None:
    # A thread of aiosqlite that still has something to say to a closed loop writes a traceback.
    for thread in threading.enumerate():
        if thread.daemon:
            thread.join(timeout=1)
