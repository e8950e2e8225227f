"""Importing what is heavy without holding the event loop, and going back to what was imported before."""

from __future__ import annotations

import asyncio
import gc
import sys
from importlib import import_module
from types import ModuleType

STORAGE = "storage.integrations"


async def load(name: str) -> ModuleType:
    """Import a module, and all that it brings, in a thread, while the event loop goes on."""
    return await asyncio.to_thread(_load, name)


def _load(name: str) -> ModuleType:
    # An import makes hundreds of thousands of objects that stay. To look through them again and again holds the
    # interpreter, and with it the loop, for a sixth of a second each time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return import_module(name)
    finally:
        if not gc.get_freeze_count():
            # Both cost nothing, and together make what is new old: the next collection does not look through it.
            gc.freeze()
            gc.unfreeze()
        if collecting:
            gc.enable()


class Version:
    """What this version of the plugin runs on.

    When a reload fails, discord.py calls the old `setup` again. By then it has taken the old modules away, and the
    storage's may be newer, as the files are.
    """

    def __init__(self) -> None:
        self._assembly: ModuleType | None = None
        self._storage: dict[str, ModuleType] = {}

    async def assembly(self, name: str) -> ModuleType:
        """The module *name*: imported at the first time, and the same one ever after, over the same storage."""
        if self._assembly is None:
            self._assembly = await load(name)
            self._storage = imported(STORAGE)
        else:
            forget(STORAGE)
            sys.modules.update(self._storage)
        return self._assembly


def imported(package: str) -> dict[str, ModuleType]:
    """The modules of a package that there are."""
    return {name: module for name, module in sys.modules.copy().items() if f"{name}.".startswith(f"{package}.")}


def forget(package: str) -> None:
    """Let the package be imported anew."""
    for name in imported(package):
        del sys.modules[name]
