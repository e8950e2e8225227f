"""What tests of moving in share: the wheel in an environment of its own, and a bot of somebody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import simcord.interactions
from simcord.env import Env

from tests.conftest import GUILD_ID
from tests.hosts.host import make, running

PROJECT = Path(__file__).parents[2]
EXTENSION = "cogs.integrations"
STRICT = ("-W", "error", "-W", "ignore:'audioop' is deprecated:DeprecationWarning")

# ---------------------------------------------------------------- the wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    at_hand = ["--no-build-isolation"] if find_spec("hatchling") else []  # otherwise pip fetches it
    _pip("wheel", "--no-deps", *at_hand, "--wheel-dir", str(folder), str(PROJECT))
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the wheel, of the rest what this one has, and not the project's folder."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    _pip("--python", str(python), "install", "--no-deps", "--no-index", "--ignore-installed", str(wheel))
    # An editable install of this project is a .pth file there, and only those of the environment itself are read.
    libraries = [entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
    (packages_of(python) / "libraries.pth").write_text("\n".join(libraries), "utf-8")
    return python


def packages_of(python: Path) -> Path:
    """Where the environment of *python* has its packages, and the wheel."""
    command = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())  # noqa: S603


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def nursery(python: Path) -> Iterator[subprocess.Popen[str]]:
    """See `nursery.py`."""
    if not hasattr(os, "fork"):
        pytest.skip("hosts begin as forks, which this system does not have")
    command = [str(python), *STRICT, str(Path(__file__).with_name("nursery.py"))]
    settings = {
        "COMPOSIO_API_KEY": "ak_host",
        "COMPOSIO_BASE_URL": "http://127.0.0.1:9",
        "INTEGRATIONS_GUILD_IDS": str(GUILD_ID),
        "INTEGRATIONS_SYNC_INTERVAL": "0",  # it would say in the log that nobody answers there
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "INTEGR"))}
    with subprocess.Popen(  # noqa: S603
        command, env=environment | settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


MAIN = """
    import asyncio, json, logging, sys
    from simcord.env import Env
    import bot

    seen = {}

    def text(result):
        message = result.response
        parts = [message.content]
        for embed in message.embeds:
            parts += [embed.title, embed.description, *(field.value for field in embed.fields)]
        return "\\n".join(filter(None, parts))

    async def use(env, guild):
        member = guild.add_member(env.create_user("max"))
        channel = guild.create_text_channel("general")
        seen["greet"] = text(await member.slash(channel, "greet"))
        seen["failure"] = env.bot.failure
        if env.bot.failure is None:
            seen["list"] = text(await member.slash(channel, "integrations list"))
            names = ("cogs.integrations", "storage.integrations", "storage.integrations.migrations")
            seen["files"] = [sys.modules[name].__file__ for name in names]

    async def main():
        env = Env(bot.make())
        guild = env.create_guild("Workshop", id=%d)
        await env.start()
        await use(env, guild)
        await env.bot.close()
        await env.shutdown()
        env.raise_errors()

    asyncio.run(main())
    storage = sys.modules.get("storage")
    seen["storage"] = {"file": getattr(storage, "__file__", None), "path": list(getattr(storage, "__path__", []))}
    seen["root_logger"] = [logging.root.level, len(logging.root.handlers)]
    print(json.dumps(seen))
"""
BOT = """
    import discord
    from discord.ext import commands

    class Host(commands.Bot):
        failure = None

        async def setup_hook(self):
            await self.load_extension("cogs.greeting")
            try:
                await self.load_extension("cogs.integrations")
            except commands.ExtensionError as error:
                self.failure = str(error)
            await self.load_extension("cogs.last")
            await self.tree.sync()

    def make():
        return Host("!", intents=discord.Intents.default(), help_command=None)
"""
GREETING = """
    from discord import app_commands
    from discord.ext import commands
    from words import GREETING

    class Greeting(commands.Cog):
        @app_commands.command(description="Say hello")
        async def greet(self, interaction):
            await interaction.response.send_message(GREETING)

    async def setup(bot):
        await bot.add_cog(Greeting())
"""
FILES = {
    "main.py": MAIN % GUILD_ID,
    "bot.py": BOT,
    "words.py": 'GREETING = "Hello!"',
    "cogs/greeting.py": GREETING,
    "cogs/last.py": "async def setup(bot): pass",
}


@dataclass
class Host:
    """A bot of somebody else, as a folder of files. It loads a cog of its own, then ours, then ``cogs.last``."""

    folder: Path
    packages: Path
    nursery: subprocess.Popen[str]

    def write(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(dedent(text), "utf-8")

    def run(self) -> dict[str, Any]:
        """What it saw: both commands' answers, why loading failed, and where modules came from."""
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write(f"{self.folder}\n")
        self.nursery.stdin.flush()
        code = self.nursery.stdout.readline()
        assert (self.folder / "stderr").read_text("utf-8") == ""
        assert code == "0\n"
        seen: dict[str, Any] = json.loads((self.folder / "stdout").read_text("utf-8"))
        return seen


@pytest.fixture
def host(tmp_path: Path, python: Path, nursery: subprocess.Popen[str]) -> Host:
    made = Host(tmp_path, packages_of(python), nursery)
    made.write(FILES)
    return made


# ---------------------------------------------------------------- a host in this process


@pytest.fixture
async def env(environment: pytest.MonkeyPatch) -> AsyncIterator[Env]:
    """A running host, which has not loaded the plugin yet."""
    async with running(make()) as simulated:
        yield simulated
    simulated.raise_errors()


# ---------------------------------------------------------------- whose installation an interaction is of

Owned = Callable[[dict[str, str]], None]


@pytest.fixture
def owned(monkeypatch: pytest.MonkeyPatch) -> Owned:
    """Say who has installed the app, for all interactions from now on, as Discord does. SimCord says nothing."""
    made = simcord.interactions.base_payload

    def doctored(owners: dict[str, str], *args: Any, **kwargs: Any) -> Any:
        record, payload = made(*args, **kwargs)
        return record, payload | {"authorizing_integration_owners": owners}

    return lambda owners: monkeypatch.setattr(simcord.interactions, "base_payload", partial(doctored, owners))
