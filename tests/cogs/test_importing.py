"""Importing the plugin is light; what is heavy is imported when it is loaded, beside the event loop."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cogs import integrations
from tests.conftest import World, live, shown, synced
from tests.hosts.host import make

ROOT = Path(__file__).parents[2]
HEAVY = ("sqlalchemy", "sqlmodel", "pydantic", "pydantic_settings", "composio_client", "httpx", "alembic")


def in_a_fresh_process(program: str) -> Any:
    """What *program*, which prints JSON, says."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def brought_by(program: str) -> list[str]:
    tail = f"\nimport json, sys\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    return list(in_a_fresh_process(program + tail))


def test_importing_the_plugin_brings_nothing_heavy() -> None:
    assert brought_by("import cogs.integrations") == []


def test_neither_does_all_that_a_host_guards_its_commands_with() -> None:
    program = (
        "from cogs.integrations import Integrations, add_to, of, require, requires_integration\n"
        "@requires_integration('github')\n"
        "async def issues(interaction): ..."
    )
    assert brought_by(program) == []


def test_a_name_that_is_heavy_brings_it_at_its_first_use() -> None:
    assert "sqlalchemy" in brought_by("from cogs.integrations import Condition")
    assert "pydantic" in brought_by("import cogs.integrations as i; i.IntegrationsSettings")


def test_all_names_for_hosts_are_there() -> None:
    program = (
        "import json, cogs.integrations as i\n"
        "print(json.dumps({name: getattr(i, name).__name__ for name in i.__all__}))"
    )

    names = in_a_fresh_process(program)

    assert names.keys() == set(integrations.__all__)
    assert names.pop("IntegrationChange") == "Event"
    assert all(found == name for name, found in names.items())


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = integrations.nonsense


# Loading


@pytest.fixture
def collector() -> Iterator[None]:
    """Is put back as it was."""
    enabled = gc.isenabled()
    yield
    (gc.enable if enabled else gc.disable)()


@pytest.mark.usefixtures("environment")
async def test_what_is_heavy_is_imported_in_another_thread_than_the_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[str, int] = {}

    def spy(name: str) -> ModuleType:
        threads[name] = threading.get_ident()
        return import_module(name)

    bot = make()
    monkeypatch.setattr(live("loading"), "import_module", spy)
    await bot.load_extension("cogs.integrations")
    await bot.unload_extension("cogs.integrations")

    assert list(threads) == ["cogs.integrations.assembly"]
    assert threading.get_ident() not in threads.values()


@pytest.mark.usefixtures("environment", "collector")
@pytest.mark.parametrize("enabled", [True, False])
async def test_loading_leaves_the_collector_as_the_host_had_it(enabled: bool) -> None:
    bot = make()
    (gc.enable if enabled else gc.disable)()

    await bot.load_extension("cogs.integrations")
    assert gc.isenabled() is enabled
    await bot.unload_extension("cogs.integrations")
    assert gc.isenabled() is enabled


async def test_a_reload_brings_everything_anew_and_works(world: World) -> None:
    bot: Any = world.env.bot
    world.composio.connect("github")
    await synced(world)
    before = {name: module for name, module in sys.modules.items() if name.startswith("cogs.integrations.")}

    await bot.reload_extension("cogs.integrations")

    after = {name: module for name, module in sys.modules.items() if name.startswith("cogs.integrations.")}
    assert not [name for name, module in after.items() if before.get(name) is module]
    assert "🟢 **GitHub**" in shown(await world.member.slash(world.channel, "integrations list"))
