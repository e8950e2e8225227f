"""What becomes of accounts that are taken away at Composio, whatever happens on the way. Real HTTP."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.sandbox.faults import Before, Cut, Fault, Hang, Html, Lost, Raw, Refuse, Reset
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.accounts import Account
from cogs.integrations.mirror.errors import (
    ComposioBusyError,
    ComposioRefusedError,
    ComposioUnavailableError,
    Trouble,
)
from cogs.integrations.mirror.revoke import AccountReceipt, Outcome, revoke_accounts
from tests.cogs.conftest import DAY, USER, calls


async def connected(
    standin: StandIn, gateway: ComposioGateway, *ids: str, toolkit: str = "gmail"
) -> list[Account]:
    """Accounts as a person has just confirmed them, in this order."""
    for age, account_id in enumerate(ids):
        standin.connect(toolkit, id=account_id, age=age * DAY)
    return await listed(standin, gateway)


async def listed(standin: StandIn, gateway: ComposioGateway) -> list[Account]:
    accounts = await gateway.accounts(USER)
    standin.requests.clear()
    return accounts


async def revoke_one(gateway: ComposioGateway, accounts: Sequence[Account]) -> AccountReceipt:
    [receipt] = await revoke_accounts(gateway, accounts)
    return receipt


def outcomes(receipts: list[AccountReceipt]) -> list[Outcome]:
    return [receipt.outcome for receipt in receipts]


# Nothing in the way


async def test_accounts_are_revoked_and_deleted_one_after_the_other(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    accounts = await connected(standin, gateway, "ca_1", "ca_2")

    receipts = await revoke_accounts(gateway, accounts)

    assert receipts == [AccountReceipt(account, Outcome.REVOKED) for account in accounts]
    assert calls(standin) == ["POST ca_1/revoke", "DELETE ca_1", "POST ca_2/revoke", "DELETE ca_2"]
    assert standin.accounts == {}


async def test_no_accounts_are_no_receipts(standin: StandIn, gateway: ComposioGateway) -> None:
    assert await revoke_accounts(gateway, []) == []
    assert standin.requests == []


async def test_accounts_that_were_not_named_stay(standin: StandIn, gateway: ComposioGateway) -> None:
    accounts = await connected(standin, gateway, "ca_1", "ca_2")

    await revoke_accounts(gateway, accounts[:1])

    assert list(standin.accounts) == ["ca_2"]
    assert standin.accounts["ca_2"].status == "ACTIVE"


async def test_what_cannot_be_revoked_is_deleted(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.unrevocable.add("notion")
    accounts = await connected(standin, gateway, "ca_1", toolkit="notion")

    assert await revoke_one(gateway, accounts) == AccountReceipt(accounts[0], Outcome.NOT_REVOCABLE)
    assert calls(standin) == ["POST ca_1/revoke", "DELETE ca_1"]
    assert standin.accounts == {}


@pytest.mark.parametrize("status", ["EXPIRED", "INACTIVE", "INITIATED", "FAILED"])
async def test_an_account_that_is_not_active_is_deleted(
    standin: StandIn, gateway: ComposioGateway, status: str
) -> None:
    standin.connect("gmail", status=status)

    receipt = await revoke_one(gateway, await listed(standin, gateway))

    assert receipt.outcome is Outcome.NOT_ACTIVE
    assert standin.accounts == {}


async def test_an_account_that_was_revoked_before_is_deleted(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.connect("gmail", status="REVOKED")

    receipt = await revoke_one(gateway, await listed(standin, gateway))

    assert receipt.outcome is Outcome.REVOKED
    assert standin.accounts == {}


async def test_an_account_that_was_revoked_before_is_deleted_though_it_cannot_be_revoked_again(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    standin.connect("gmail", id="ca_1", status="REVOKED")
    accounts = await listed(standin, gateway)
    standin.fail(Refuse(500), method="POST")

    assert await revoke_one(gateway, accounts) == AccountReceipt(accounts[0], Outcome.REVOKED)
    assert calls(standin) == ["POST ca_1/revoke", "GET ca_1", "DELETE ca_1"]


async def test_an_account_that_is_already_gone_is_not_deleted_again(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    accounts = await connected(standin, gateway, "ca_1")
    standin.remove("ca_1")

    assert await revoke_one(gateway, accounts) == AccountReceipt(accounts[0], Outcome.ALREADY_GONE)
    assert calls(standin) == ["POST ca_1/revoke"]


async def test_an_account_that_somebody_else_deletes_meanwhile_counts_as_revoked(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    accounts = await connected(standin, gateway, "ca_1")
    standin.fail(Before(lambda project: project.remove("ca_1")), method="DELETE")

    assert (await revoke_one(gateway, accounts)).outcome is Outcome.REVOKED


# The first failure ends it


async def test_after_a_failure_the_rest_is_left_alone(standin: StandIn, gateway: ComposioGateway) -> None:
    accounts = await connected(standin, gateway, "ca_1", "ca_2", "ca_3", "ca_4")
    standin.fail(Refuse(500), method="POST", path="*/ca_3/revoke")

    receipts = await revoke_accounts(gateway, accounts)

    assert outcomes(receipts) == [
        Outcome.REVOKED,
        Outcome.REVOKED,
        Outcome.STILL_CONNECTED,
        Outcome.NOT_TRIED,
    ]
    assert isinstance(receipts[2].error, ComposioUnavailableError)
    assert {account.id: account.status for account in standin.accounts.values()} == {
        "ca_3": "ACTIVE",
        "ca_4": "ACTIVE",
    }
    assert calls(standin)[4:] == ["POST ca_3/revoke", "GET ca_3"]


async def test_doing_it_again_after_a_failure_finishes_the_job(standin: StandIn, gateway: ComposioGateway) -> None:
    accounts = await connected(standin, gateway, "ca_1", "ca_2", "ca_3", "ca_4")
    standin.fail(Refuse(500), method="POST", path="*/ca_3/revoke")
    first = await revoke_accounts(gateway, accounts)

    second = await revoke_accounts(gateway, [account for receipt in first if (account := receipt.left)])

    assert [receipt.account.id for receipt in second] == ["ca_3", "ca_4"]
    assert outcomes(second) == [Outcome.REVOKED, Outcome.REVOKED]
    assert standin.accounts == {}


async def test_doing_it_again_with_all_of_them_finishes_too(standin: StandIn, gateway: ComposioGateway) -> None:
    accounts = await connected(standin, gateway, "ca_1", "ca_2")
    standin.fail(Refuse(500), method="DELETE", path="*/ca_2")
    await revoke_accounts(gateway, accounts)

    assert outcomes(await revoke_accounts(gateway, accounts)) == [Outcome.ALREADY_GONE, Outcome.REVOKED]
    assert standin.accounts == {}


# The answer is lost, or is none


@pytest.mark.parametrize(
    "fault", [Lost(Reset()), Lost(Hang()), Lost(Html(504)), Lost(Html(200)), Lost(Refuse(500)), Cut(after=3)]
)
async def test_a_revoke_whose_answer_is_lost_is_looked_at_and_then_finished(
    standin: StandIn, gateway: ComposioGateway, fault: Fault
) -> None:
    accounts = await connected(standin, gateway, "ca_1")
    standin.fail(fault, method="POST")

    assert await revoke_one(gateway, accounts) == AccountReceipt(accounts[0], Outcome.REVOKED)
    assert calls(standin) == ["POST ca_1/revoke", "GET ca_1", "DELETE ca_1"]
    assert standin.accounts == {}


@pytest.mark.parametrize(
    "fault", [Lost(Reset()), Lost(Hang()), Lost(Html(504)), Lost(Html(200)), Lost(Refuse(500)), Cut(after=3)]
)
async def test_a_delete_whose_answer_is_lost_is_looked_at_and_counts(
    standin: StandIn, gateway: ComposioGateway, fault: Fault
) -> None:
    accounts = await connected(standin, gateway, "ca_1")
    standin.fail(fault, method="DELETE")

    assert await revoke_one(gateway, accounts) == AccountReceipt(accounts[0], Outcome.REVOKED)
    assert calls(standin) == ["POST ca_1/revoke", "DELETE ca_1", "GET ca_1"]


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [
        (Hang(), Trouble.TIMEOUT),
        (Reset(), Trouble.NETWORK),
        (Html(503), Trouble.SERVER),
        (Html(200), Trouble.UNREADABLE),
        (Raw(b"null"), Trouble.UNREADABLE),
    ],
)
async def test_a_revoke_that_had_no_effect_leaves_the_account_connected(
    standin: StandIn, gateway: ComposioGateway, fault: Fault, trouble: Trouble
) -> None:
    accounts = await connected(standin, gateway, "ca_1")
    standin.fail(fault, method="POST")

    receipt = await revoke_one(gateway, accounts)

    assert receipt.outcome is Outcome.STILL_CONNECTED
    assert isinstance(receipt.error, ComposioUnavailableError)
    assert receipt.error.trouble is trouble
    assert receipt.left == accounts[0]
    assert standin.accounts["ca_1"].status == "ACTIVE"


async def test_an_account_that_is_gone_when_it_is_looked_at_was_already_gone(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    accounts = await connected(standin, gateway, "ca_1")
    standin.fail(Lost(Reset(), hook=lambda project: project.remove("ca_1")), method="POST")

    assert await revoke_one(gateway, accounts) == AccountReceipt(accounts[0], Outcome.ALREADY_GONE)


@pytest.mark.parametrize("look", [Refuse(500), Refuse(401), Refuse(429), Hang(), Html(200)])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_what_cannot_be_looked_at_is_unclear(
    standin: StandIn, gateway: ComposioGateway, method: str, look: Fault
) -> None:
    accounts = await connected(standin, gateway, "ca_1", "ca_2")
    standin.fail(Lost(Reset()), method=method)
    standin.fail(look, path="*/ca_1")

    receipts = await revoke_accounts(gateway, accounts)

    assert outcomes(receipts) == [Outcome.UNCLEAR, Outcome.NOT_TRIED]
    assert isinstance(receipts[0].error, ComposioUnavailableError)
    assert receipts[0].error.trouble is Trouble.NETWORK


async def test_what_is_left_after_an_unclear_delete_is_known_to_be_revoked(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    accounts = await connected(standin, gateway, "ca_1")
    standin.fail(Lost(Reset()), method="DELETE")
    standin.fail(Refuse(500))

    receipt = await revoke_one(gateway, accounts)

    assert receipt.outcome is Outcome.UNCLEAR
    assert receipt.left is not None
    assert receipt.left.status == "REVOKED"


# Half-way


@pytest.mark.parametrize("refusal", [Refuse(401), Refuse(403), Refuse(409), Refuse(429), Refuse(500), Hang()])
async def test_what_is_revoked_but_cannot_be_deleted_is_told_as_that(
    standin: StandIn, gateway: ComposioGateway, refusal: Fault
) -> None:
    accounts = await connected(standin, gateway, "ca_1", "ca_2")
    standin.fail(refusal, method="DELETE")

    receipts = await revoke_accounts(gateway, accounts)

    assert outcomes(receipts) == [Outcome.REVOKED_NOT_DELETED, Outcome.NOT_TRIED]
    assert receipts[0].error is not None
    assert receipts[0].left == accounts[0]._replace(status="REVOKED")
    assert standin.accounts["ca_1"].status == "REVOKED"


async def test_what_can_be_neither_revoked_nor_deleted_is_told_as_that(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    standin.unrevocable.add("notion")
    accounts = await connected(standin, gateway, "ca_1", toolkit="notion")
    standin.fail(Refuse(500), method="DELETE")

    receipt = await revoke_one(gateway, accounts)

    assert receipt.outcome is Outcome.NOT_DELETED
    assert receipt.error is not None
    assert receipt.left == accounts[0]
    assert standin.accounts["ca_1"].status == "ACTIVE"


async def test_an_expired_account_that_cannot_be_deleted_is_told_as_that(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    standin.connect("gmail", status="EXPIRED")
    standin.fail(Refuse(403), method="DELETE")

    receipt = await revoke_one(gateway, await listed(standin, gateway))

    assert receipt.outcome is Outcome.NOT_DELETED


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Refuse(401), ComposioRefusedError),
        (Refuse(403), ComposioRefusedError),
        (Refuse(429), ComposioBusyError),
    ],
)
async def test_a_refused_revoke_is_looked_at_and_leaves_the_account_connected(
    standin: StandIn, gateway: ComposioGateway, refusal: Fault, kind: type[Exception]
) -> None:
    accounts = await connected(standin, gateway, "ca_1")
    standin.fail(refusal, method="POST")

    receipt = await revoke_one(gateway, accounts)

    assert receipt.outcome is Outcome.STILL_CONNECTED
    assert isinstance(receipt.error, kind)
    assert calls(standin) == ["POST ca_1/revoke", "GET ca_1"]
    assert standin.accounts["ca_1"].status == "ACTIVE"
