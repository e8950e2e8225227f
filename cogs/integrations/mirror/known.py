"""What is stored, in memory, for questions that are asked at every command."""

from __future__ import annotations

from collections.abc import Iterable

from storage.integrations import Integration


class Known:
    """The newest known row of every provider of every Composio user.

    A row's revision only grows in the database, so rows may be learned in any order: an older one is ignored.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Integration] = {}

    def learn(self, rows: Iterable[Integration]) -> None:
        """Take in rows as they are stored."""
        for row in rows:
            key = row.composio_user_id, row.provider
            known = self._rows.get(key)
            if known is None or known.revision < row.revision:
                self._rows[key] = row

    def get(self, composio_user_id: str, provider: str) -> Integration:
        """The provider's row, or one that says that nothing is connected."""
        return self._rows.get((composio_user_id, provider)) or Integration(composio_user_id, provider)
