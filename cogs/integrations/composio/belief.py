"""What may be believed: a gateway, a proxy or a wrong address answers with the same numbers as Composio does."""

from __future__ import annotations

import composio_client as sdk

from ..mirror.errors import ComposioUnavailableError, Trouble


def refusal_of(error: sdk.APIStatusError) -> str | None:
    """What Composio calls its refusal; None when somebody else may have answered."""
    # The SDK gives `details` for the form of Composio's errors alone: message, slug, code and status, each typed.
    details = error.details
    return str(details["slug"]) if details and details["status"] == error.status_code else None


def says_gone(error: sdk.APIStatusError) -> bool:
    """Whether Composio says that it has no such account."""
    slug = refusal_of(error) or ""
    # For an account it has been seen as `ConnectedAccount_ResourceNotFound`. Another 404 may be about a path that
    # Composio does not know, or about the account's auth config: then the account may well be there.
    return error.status_code == 404 and slug.startswith("ConnectedAccount_") and slug.endswith("NotFound")


def must_be_about(account_id: str, answered: str) -> None:
    """Raise `ComposioUnavailableError` when the answer names another account than the one that was asked about."""
    if answered != account_id:
        raise ComposioUnavailableError(Trouble.UNREADABLE, "an answer about another account")
