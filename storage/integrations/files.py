"""Whether the files of this package are still those that were imported. Imported before all else of it."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def _fingerprint() -> list[tuple[str, int, int]]:
    return sorted((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in _FOLDER.rglob("*.py"))


_IMPORTED = _fingerprint()


def files_changed() -> bool:
    """Whether the package has been updated on disk since it was imported."""
    return _fingerprint() != _IMPORTED
