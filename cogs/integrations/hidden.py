"""Makes `storage.integrations` importable where a host has a `storage` of its own; imported before all else.

A host's ``storage.py`` or regular package ``storage/`` hides our plain folder of that name. The leaf is then
loaded from where it lies, under its full name, and later imports of it, the migrations' too, find it in
`sys.modules`. The host's own module is neither replaced nor given a ``__path__``: it does not notice.

When its files have been updated since they were imported, it is imported anew: a reload takes away the modules of
the extension only, and new code must not run on an old storage.

Raises `ImportError` with one sentence for whoever runs the bot when that cannot work.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

from .loading import STORAGE as NAME
from .loading import forget


def _forget_old() -> None:
    """Forget what is no longer as it is on disk, and what a failed import has left."""
    module = sys.modules.get(NAME)
    if module is None or (_is_ours(module) and _changed(module)):
        forget(NAME)


def _changed(module: ModuleType) -> bool:
    changed = getattr(module, "files_changed", None)  # older versions cannot tell
    return changed is None or bool(changed())


def _is_ours(module: ModuleType) -> bool:
    return hasattr(module, "Integration")


def _find() -> ModuleType:
    try:
        return import_module(NAME)
    except ModuleNotFoundError as error:
        if error.name not in ("storage", NAME):  # the folder is there, and something that it needs is not
            raise
    return _load_hidden()


def _load_hidden() -> ModuleType:
    spec = PathFinder.find_spec(NAME, [str(Path(entry) / "storage") for entry in sys.path])
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(
            "the folder storage/integrations is missing: install discord-integrations with pip, or copy it "
            "beside cogs as you have copied cogs/integrations",
            name=NAME,
        )
    module = sys.modules[NAME] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[NAME]
        raise
    return module


def _refuse_another(module: ModuleType) -> None:
    if not _is_ours(module):
        place = module.__file__ or ", ".join(module.__path__)
        raise ImportError(f"{NAME} is this bot's own module ({place}): rename it, the plugin needs the name")


_forget_old()
_refuse_another(_find())
