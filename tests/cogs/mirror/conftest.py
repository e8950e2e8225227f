"""A database of both kinds, for what must hold on each."""

from __future__ import annotations

from tests.storage.conftest import databases, postgres, server, url

__all__ = ["databases", "postgres", "server", "url"]
