"""A database of both kinds, for what must hold on each."""

from __future__ import annotations

from tests.storage.conftest import databases, postgres, proxied_engine, server, url, wire

__all__ = ["databases", "postgres", "proxied_engine", "server", "url", "wire"]
