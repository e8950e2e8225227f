"""Trying an account's own token, as the mirror knows it: what is asked of the provider, and what it answered."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class Endpoint(NamedTuple):
    """Where a toolkit tells who is signed in. ``body`` is for GraphQL, as text."""

    url: str
    method: str = "GET"
    body: str | None = None


class Probe(NamedTuple):
    """What the provider answered, through Composio: its status, and its body, parsed if it was JSON."""

    status: int
    data: Any = None

    def __repr__(self) -> str:
        """Without the body: this may come into a log."""
        return f"Probe({self.status})"


class Probes(Protocol):
    """Where tokens are tried. Every method raises `ComposioError` when Composio could not be asked."""

    async def current_user_endpoint(self, toolkit: str) -> Endpoint | None:
        """What Composio names for the toolkit, None for nothing. Asked for once, and remembered for a day."""

    async def probe(self, account_id: str, endpoint: Endpoint) -> Probe:
        """Ask the endpoint with the account's token; never retried, for it may cost money.

        Raises `ProbeForbiddenError` when the key may not.
        """
