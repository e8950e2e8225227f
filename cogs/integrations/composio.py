"""The only file that knows Composio's SDK: connected accounts in, typed errors out."""

from __future__ import annotations

import email.utils
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, Literal, NamedTuple, NotRequired

import aiohttp
import composio_client as sdk
import httpx
from httpx_aiohttp import HttpxAiohttpClient
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from storage.integrations.tables import ID_LENGTH, NAME_LENGTH, REASON_LENGTH, STATUS_LENGTH

from .errors import ComposioBusyError, ComposioRefusedError, ComposioUnavailableError, Trouble

PAGE_SIZE = 100
MAX_PAGES = 1_000
MAX_WALKS = 4
# An interaction's token lives 15 minutes and a sync reads many pages; a single answer takes well under a second.
TIMEOUT = httpx.Timeout(15.0, connect=5.0)
READ_RETRIES = 2
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Account(NamedTuple):
    """One connected account, as far as we use it. ``status`` is Composio's word, which may be new to us."""

    id: str
    toolkit: str
    status: str
    created_at: datetime
    updated_at: datetime
    reason: str | None = None
    is_disabled: bool = False
    name: str = ""

    @property
    def usable(self) -> bool:
        """Whether Composio would let a tool use it; no proof that the token works."""
        return self.status == "ACTIVE" and not self.is_disabled


class Revocation(Enum):
    """What became of a grant at the provider when Composio was asked to revoke it."""

    REVOKED = auto()
    UNSUPPORTED = auto()
    NOT_ACTIVE = auto()
    GONE = auto()


def _line(text: str, limit: int) -> str:
    # Control characters would break a line of an embed or a log, and PostgreSQL refuses NUL.
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return text.strip()[:limit]


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


class _Toolkit(TypedDict):
    slug: str


class _Item(TypedDict):
    """What we read of an account; everything else, tokens included, is skipped by the parser."""

    # Plain types only: `_account` cleans, because a validator written in Python costs more than all the parsing.
    id: str
    toolkit: _Toolkit
    status: str
    created_at: datetime
    updated_at: datetime
    status_reason: NotRequired[str | None]
    is_disabled: NotRequired[bool]
    alias: NotRequired[str | None]
    word_id: NotRequired[str | None]
    user_id: NotRequired[str | None]


class _Page(TypedDict):
    items: list[_Item]
    next_cursor: NotRequired[str | None]
    total_items: NotRequired[float | None]


class _RevokedAccount(TypedDict):
    status: Literal["REVOKED"]


class _Revoked(TypedDict):
    connected_account: _RevokedAccount


class _Deleted(TypedDict):
    success: Literal[True]


_PAGE = TypeAdapter(_Page)
_ITEM = TypeAdapter(_Item)
_REVOKED = TypeAdapter(_Revoked)
_DELETED = TypeAdapter(_Deleted)


class ComposioGateway:
    """Asks Composio about one project's connected accounts.

    Every method raises `ComposioRefusedError`, `ComposioBusyError` or `ComposioUnavailableError`. Reads are
    retried by the client; writes never are, because a lost answer says nothing about the effect.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str,
        read_retries: int = READ_RETRIES,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        # A proxy of the environment must not be asked for this machine.
        trust_env = httpx.URL(base_url).host not in LOOPBACK
        # Shared: loading the certificate authorities takes longer than anything else at the start.
        authorities = httpx.create_ssl_context(trust_env=trust_env)
        # aiohttp reads with less CPU, but sends a DELETE again by itself when a kept connection breaks.
        self._reads = sdk.AsyncComposio(
            auth=sdk.ProjectAuth(api_key),
            base_url=base_url,
            timeout=timeout,
            max_retries=read_retries,
            http_client=HttpxAiohttpClient(trust_env=trust_env, verify=authorities),
        )
        self._writes = self._reads.with_options(
            max_retries=0,
            http_client=httpx.AsyncClient(trust_env=trust_env, verify=authorities),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._reads.close()
        await self._writes.close()

    async def check(self) -> None:
        """Return when Composio answers and accepts the key."""
        with _translated():
            answer = await self._writes.connected_accounts.with_raw_response.list(limit=1)
            _PAGE.validate_json(await _content(answer))

    async def accounts(self, composio_user_id: str, toolkits: Sequence[str] = ()) -> list[Account]:
        """All accounts of one Composio user, newest first; only those of *toolkits* where some are named.

        The pages of a world that changes while it is read can miss an account. Read newest first, every such
        change shows as a moved total or an account seen twice; then the walk is made again, until one is
        clean or two agree.
        """
        previous: list[Account] | None = None
        for _ in range(MAX_WALKS):
            accounts, clean = await self._walk(composio_user_id)
            if clean or accounts == previous:
                # Chosen here and not by Composio: a catalogue may name a slug that Composio does not know.
                return [account for account in accounts if not toolkits or account.toolkit in toolkits]
            previous = accounts
        raise ComposioUnavailableError(Trouble.UNSTABLE, f"{MAX_WALKS} reads differed")

    async def _walk(self, composio_user_id: str) -> tuple[list[Account], bool]:
        found: dict[str, Account] = {}
        cursors: set[str] = set()
        totals: set[float | None] = set()
        cursor: str | None = None
        clean = True
        for _ in range(MAX_PAGES):
            page = await self._page(composio_user_id, cursor)
            totals.add(page.get("total_items"))
            ours = [_account(item) for item in page["items"] if _belongs(item, composio_user_id)]
            fresh = {account.id: account for account in ours}
            clean = clean and found.keys().isdisjoint(fresh)
            found |= fresh
            cursor = page.get("next_cursor")
            if not cursor:
                return list(found.values()), clean and len(totals) == 1
            if cursor in cursors:
                break
            cursors.add(cursor)
        raise ComposioUnavailableError(Trouble.UNREADABLE, "the pages do not end")

    async def _page(self, composio_user_id: str, cursor: str | None) -> _Page:
        with _translated():
            answer = await self._reads.connected_accounts.with_raw_response.list(
                user_ids=[composio_user_id],
                cursor=cursor or sdk.omit,
                limit=PAGE_SIZE,
                order_by="created_at",
                order_direction="desc",
                account_type="ALL",
            )
            return _PAGE.validate_json(await _content(answer))

    async def account(self, account_id: str) -> Account | None:
        """One account as it is now, None when it no longer exists."""
        with _translated():
            answer = await self._reads.connected_accounts.with_raw_response.retrieve(account_id)
            if answer.status_code == 404:
                return None
            return _account(_ITEM.validate_json(await _content(answer)))

    async def revoke(self, account_id: str) -> Revocation:
        """Ask the provider, through Composio, to forget the grant. An account already revoked counts too."""
        with _translated():
            answer = await self._writes.connected_accounts.with_raw_response.revoke(account_id)
            refusals = {
                400: Revocation.UNSUPPORTED,
                404: Revocation.GONE,
                409: Revocation.NOT_ACTIVE,
            }
            if refusal := refusals.get(answer.status_code):
                return refusal
            _REVOKED.validate_json(await _content(answer))
            return Revocation.REVOKED

    async def delete(self, account_id: str) -> bool:
        """Delete Composio's record of the account; False when it was already gone."""
        with _translated():
            answer = await self._writes.connected_accounts.with_raw_response.delete(account_id)
            if answer.status_code == 404:
                return False
            _DELETED.validate_json(await _content(answer))
            return True


def _belongs(item: _Item, composio_user_id: str) -> bool:
    # The field is deprecated and may vanish; where it is there, another user's account is not ours to show.
    return item.get("user_id") in (None, composio_user_id)


def _account(item: _Item) -> Account:
    id_ = _line(item["id"], ID_LENGTH)
    reason = item.get("status_reason")
    return Account(
        id_,
        _line(item["toolkit"]["slug"], ID_LENGTH).lower(),
        _line(item["status"], STATUS_LENGTH),
        _aware(item["created_at"]),
        _aware(item["updated_at"]),
        reason and _line(reason, REASON_LENGTH),
        item.get("is_disabled", False),
        _name(item.get("alias")) or _name(item.get("word_id")) or f"…{id_[-6:]}",
    )


def _name(text: str | None) -> str | None:
    return text and _line(text, NAME_LENGTH)


async def _content(answer: Any) -> bytes:
    """The body of a good answer, whose class is not public; the SDK raises its error for any other."""
    content: bytes = await answer.parse(to=bytes)
    return content


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the SDK and its transports raise into our errors.

    Always `from None`: their messages quote what the server sent, and that can hold tokens.
    """
    try:
        yield
    except (sdk.AuthenticationError, sdk.PermissionDeniedError) as error:
        raise ComposioRefusedError(f"status {error.status_code}") from None
    except sdk.RateLimitError as error:
        raise ComposioBusyError(_retry_after(error.response)) from None
    except sdk.APIStatusError as error:
        detail = f"status {error.status_code}, request {_line(error.request_id or 'without id', ID_LENGTH)}"
        raise ComposioUnavailableError(Trouble.SERVER, detail) from None
    except ValidationError as error:
        raise ComposioUnavailableError(Trouble.UNREADABLE, _shape(error)) from None
    except (sdk.ComposioError, httpx.HTTPError, aiohttp.ClientError, OSError) as error:
        raise _unanswered(error) from None
    except (ValueError, OverflowError, RecursionError) as error:
        # The SDK refuses ids that make no path, and reads Retry-After and the bodies of errors without a net.
        raise ComposioUnavailableError(Trouble.UNREADABLE, type(error).__name__) from None


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
