"""Importing what is heavy, beside the event loop."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogs.integrations.loading import load

pytestmark = pytest.mark.quick

WATCHES = """
import gc, threading
thread = threading.get_ident()
collecting = gc.isenabled()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module that nobody has imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "loaded_by_a_test.py"
    path.write_text(WATCHES, encoding="utf-8")
    yield path
    sys.modules.pop(path.stem, None)


def holds(module: Path, source: str) -> None:
    """Put this in the place of the module."""
    module.write_text(source, encoding="utf-8")


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    enabled = gc.isenabled()
    yield
    (gc.enable if enabled else gc.disable)()


async def test_a_module_is_imported_in_another_thread_without_the_collector(module: Path) -> None:
    loaded = await load(module.stem)

    assert loaded is sys.modules[module.stem]
    assert loaded.thread != threading.get_ident()
    assert not loaded.collecting
    assert gc.isenabled()


async def test_the_loop_goes_on_meanwhile(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(threading, "goes_on", goes_on, raising=False)
    holds(module, "import threading\nassert threading.goes_on.wait(10)\n")

    loading = asyncio.create_task(load(module.stem))
    await asyncio.sleep(0)
    goes_on.set()

    assert (await loading).__name__ == module.stem


async def test_the_collector_is_back_when_the_import_fails(module: Path) -> None:
    holds(module, "raise LookupError('broken')\n")

    with pytest.raises(LookupError, match="broken"):
        await load(module.stem)

    assert gc.isenabled()


async def test_a_module_that_is_not_there_is_an_import_error_and_the_collector_is_back() -> None:
    with pytest.raises(ModuleNotFoundError):
        await load("nobody_has_written_this")

    assert gc.isenabled()


async def test_a_collector_that_was_off_stays_off(module: Path) -> None:
    gc.disable()

    await load(module.stem)

    assert not gc.isenabled()
