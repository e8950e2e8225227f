"""Importing what is heavy without holding the event loop."""

from __future__ import annotations

import asyncio
import gc
from importlib import import_module
from types import ModuleType


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
