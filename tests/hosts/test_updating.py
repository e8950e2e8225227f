"""An update on disk under a running bot: a reload takes all of it, or goes back to all that was when it fails."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import GUILD_ID
from tests.hosts.conftest import PROJECT, Host
from tests.hosts.test_wheel import LEAVES, copy

# A real bot in a simulated Discord, in a process of its own. What happens to it is in the tests' `play`.
MAIN = """
    import asyncio, json, sqlite3, sys
    from contextlib import closing
    from pathlib import Path
    import discord
    from simcord.env import Env
    import bot

    seen = {}

    def write(file, old, new):
        text = Path(file).read_text("utf-8")
        assert text.count(old) == 1
        Path(file).write_text(text.replace(old, new), "utf-8")

    def update(**leaves):
        "Add a line to a module of the plugin and to one of the storage, which gets another module too."
        Path("storage/integrations/added.py").write_text("UPDATED = True", "utf-8")
        for leaf, line in leaves.items():
            file = {"plugin": "cogs/integrations/assembly.py", "storage": "storage/integrations/values.py"}[leaf]
            write(file, "from datetime import ", f"{line}\\nfrom datetime import ")

    def storage():
        return {name: module for name, module in sys.modules.items() if name.startswith("storage.integrations")}

    def updated():
        "Whether the modules are those of the update, and the bot's parts made of them."
        cog = sys.modules["cogs.integrations.cog"].IntegrationsCog
        store = sys.modules["storage.integrations.store"].Store
        assert type(bot.running.get_cog("Integrations")) is cog
        assert sys.modules["cogs.integrations.assembly"].Store is store
        values = sys.modules["storage.integrations.values"]
        return [hasattr(values, "UPDATED"), hasattr(sys.modules["cogs.integrations.assembly"], "UPDATED")]

    def connect():
        with closing(sqlite3.connect("integrations.db")) as database, database:
            database.execute(
                "INSERT INTO integrations_provider"
                " (composio_user_id, provider, state, enabled, toolkit, usable_accounts, revision)"
                " VALUES ('peterbot-user', 'github', 'connected', 1, 'github', 1, 1)"
            )

    async def main():
        bot.running = bot.make()
        env = Env(bot.running)
        guild = env.create_guild("Workshop", id=%d)
        await env.start()
        assert bot.running.failure is None, bot.running.failure
        connect()
        role = guild.create_role("Managers", permissions=discord.Permissions(manage_guild=True))
        manager = guild.add_member(env.create_user("mia"), roles=[role])
        channel = guild.create_text_channel("general")

        async def reload():
            return (await manager.slash(channel, "reload")).response.content

        async def use():
            "Reads and writes; what the history has of it."
            await manager.slash(channel, "integrations toggle", provider="github")
            told = await manager.slash(channel, "integrations history")
            [day] = told.response.embeds[0].fields
            return len(day.value.splitlines())

        await play(use, reload)
        await bot.running.close()
        await env.shutdown()
        env.raise_errors()

    %s

    asyncio.run(main())
    print(json.dumps(seen))
"""
# As part of the bot's own work, which has the clock of the simulated world.
RELOAD = """
    from discord import app_commands
    from discord.ext import commands

    class Reload(commands.Cog):
        def __init__(self, bot):
            self.bot = bot

        @app_commands.command(description="Reload the plugin")
        async def reload(self, interaction):
            try:
                await self.bot.reload_extension("cogs.integrations")
            except commands.ExtensionError as error:
                await interaction.response.send_message(str(error))
            else:
                await interaction.response.send_message("done")

    async def setup(bot):
        await bot.add_cog(Reload(bot))
"""


@pytest.fixture(params=["cogs/greeting.py", "storage.py"], ids=["plain", "hidden"])
def updated_host(host: Host, request: pytest.FixtureRequest) -> Host:
    """A bot with copies of the two folders, which an update writes into; also with a `storage` that hides ours."""
    if request.param == "storage.py":
        host.write({"storage.py": ""})
    for leaf in LEAVES:
        copy(PROJECT / leaf, host.folder / leaf)
    return host


def played(host: Host, play: str) -> dict[str, Any]:
    host.write({"cogs/last.py": RELOAD, "main.py": MAIN % (GUILD_ID, play.strip())})
    return host.run()


def test_a_reload_after_an_update_brings_all_of_it(updated_host: Host) -> None:
    seen = played(
        updated_host,
        """
    async def play(use, reload):
        seen["uses"] = [await use()]
        old = storage()
        update(storage="from .added import UPDATED", plugin="from storage.integrations.values import UPDATED")
        seen["reload"] = await reload()
        seen["updated"] = updated()
        seen["old ones left"] = [name for name, module in storage().items() if old.get(name) is module]
        seen["uses"].append(await use())
        seen["again"] = await reload()
        seen["uses"].append(await use())
    """,
    )

    assert seen == {
        "uses": [1, 2, 3],
        "reload": "done",
        "updated": [True, True],
        "old ones left": [],
        "again": "done",
    }


@pytest.mark.parametrize(
    "update",
    [
        "update(storage='from .added import UPDATED', plugin='UPDATED = True; raise ValueError(\"broken\")')",
        "update(storage='from .added import UPDATED; raise ValueError(\"broken\")', plugin='UPDATED = True')",
        "update(storage='from .added import UPDATED', plugin='UPDATED = True'); "
        "write('cogs/integrations/names.py', 'COG = ', 'raise ValueError(\"broken\")\\nCOG = ')",
    ],
    ids=["plugin", "storage", "entrance"],
)
def test_a_reload_that_fails_leaves_all_of_the_old_working(updated_host: Host, update: str) -> None:
    seen = played(
        updated_host,
        f"""
    async def play(use, reload):
        seen["uses"] = [await use()]
        old = storage()
        {update}
        seen["reload"] = (await reload()).rpartition(": ")[2]
        seen["updated"] = updated()
        seen["same"] = storage() == old
        seen["uses"].append(await use())
        for file in [*Path("cogs").rglob("*.py"), *Path("storage").rglob("*.py")]:
            file.write_text(file.read_text("utf-8").replace('raise ValueError("broken")', ""), "utf-8")
        seen["mended"] = await reload()
        seen["updated then"] = updated()
        seen["uses"].append(await use())
    """,
    )

    assert seen == {
        "uses": [1, 2, 3],
        "reload": "broken",
        "updated": [False, False],
        "same": True,
        "mended": "done",
        "updated then": [True, True],
    }


def test_a_reload_without_an_update_keeps_the_storage(updated_host: Host) -> None:
    seen = played(
        updated_host,
        """
    async def play(use, reload):
        seen["uses"] = [await use()]
        old = storage()
        write("cogs/integrations/assembly.py", "from datetime", "UPDATED = True\\nfrom datetime")
        seen["reload"] = await reload()
        seen["updated"] = updated()
        seen["same"] = storage() == old
        seen["uses"].append(await use())
    """,
    )

    assert seen == {"uses": [1, 2], "reload": "done", "updated": [False, True], "same": True}


def test_what_an_import_that_failed_has_left_is_not_used(updated_host: Host) -> None:
    updated_host.write({"storage/integrations/tables.py": "raise ValueError('broken')"})
    main = f"""
        import json, shutil, sys
        try:
            import cogs.integrations.hidden
        except ValueError:
            left = sys.modules["storage.integrations.files"]
        shutil.copy({str(PROJECT / "storage/integrations/tables.py")!r}, "storage/integrations/tables.py")
        import cogs.integrations.hidden
        print(json.dumps({{"used": sys.modules["storage.integrations.files"] is left}}))
    """
    updated_host.write({"main.py": main})

    assert updated_host.run() == {"used": False}
