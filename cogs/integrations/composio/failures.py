"""What Composio's SDK and its transports raise, turned into our errors."""

from __future__ import annotations

import email.utils
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import aiohttp
import composio_client as sdk
import httpx
from pydantic import ValidationError

from ..mirror.accounts import ID_LENGTH
from ..mirror.errors import ComposioBusyError, ComposioRefusedError, ComposioUnavailableError, Trouble
from ..mirror.text import line
from .belief import refusal_of

# What may be wrong with these is the request itself: it names too much, or what Composio does not take.
_DISLIKES = frozenset({400, 413, 414, 422})


class DislikedError(ComposioUnavailableError):
    """The request was answered, but not liked as it was; another one may be."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the SDK and its transports raise into our errors.

    Always `from None`: their messages quote what the server sent, and that can hold tokens.
    """
    try:
        yield
    except (sdk.AuthenticationError, sdk.PermissionDeniedError) as error:
        if refusal_of(error) is None:  # a gateway's page says nothing about the key
            raise _unusable(error) from None
        raise ComposioRefusedError(f"status {error.status_code}") from None
    except sdk.RateLimitError as error:
        raise ComposioBusyError(_retry_after(error.response)) from None
    except sdk.APIStatusError as error:
        raise _unusable(error) from None
    except ValidationError as error:
        raise ComposioUnavailableError(Trouble.UNREADABLE, _shape(error)) from None
    except (sdk.ComposioError, httpx.HTTPError, aiohttp.ClientError, OSError) as error:
        raise _unanswered(error) from None
    except (ValueError, OverflowError, RecursionError) as error:
        # The SDK refuses ids that make no path, and reads Retry-After and the bodies of errors without a net.
        raise ComposioUnavailableError(Trouble.UNREADABLE, type(error).__name__) from None


def _unusable(error: sdk.APIStatusError) -> ComposioUnavailableError:
    detail = f"status {error.status_code}, request {line(error.request_id or 'without id', ID_LENGTH)}"
    kind = DislikedError if error.status_code in _DISLIKES else ComposioUnavailableError
    return kind(Trouble.SERVER, detail)


def _unanswered(error: BaseException) -> ComposioUnavailableError:
    timed_out = isinstance(error, (sdk.APITimeoutError, httpx.TimeoutException, TimeoutError))
    while error.__cause__:
        error = error.__cause__
    # The aiohttp transport calls every broken connection a time-out; only the first cause tells them apart.
    broken = isinstance(error, (aiohttp.ClientError, OSError)) and not isinstance(error, TimeoutError)
    trouble = Trouble.TIMEOUT if timed_out and not broken else Trouble.NETWORK
    return ComposioUnavailableError(trouble, type(error).__name__)


def _shape(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return f"{first['type']} at {'.'.join(map(str, first['loc'])) or 'the top'}"


def _retry_after(response: httpx.Response) -> float | None:
    """``Retry-After`` in seconds; it may be a number or a date (RFC 9110, 10.2.3)."""
    header = response.headers.get("retry-after", "")
    if header.isdecimal() and len(header) < 10:
        return float(header)
    try:
        until = email.utils.parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds()) if until.tzinfo else None
