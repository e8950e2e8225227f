"""A check under way, and what may be claimed of it: pure decisions, without I/O and without a clock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storage.integrations import Integration, Proof, State, Verdict

from .accounts import Account
from .catalog import Provider
from .errors import ComposioError
from .findings import Answer, CheckReport, Why
from .plan import Plan, newest, refusals
from .results import Actor

_NOTHING_TO_TRY = Answer(why=Why.NOT_CONNECTED)


@dataclass
class Check:
    """Which account stands for each provider, and what was answered about it.

    ``until`` is by the event loop's clock: nothing is tried after it. ``tried_again`` are the providers that were
    tried a second time.
    """

    composio_user_id: str
    by: Actor
    providers: Mapping[str, Provider]
    until: float
    chosen: dict[str, Account] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    tried_again: set[str] = field(default_factory=set)
    probes: int = 0

    def decisive(self, accounts: Sequence[Account], proofs: Collection[Proof]) -> dict[str, Account]:
        """The account that decides each provider, where there is one to try."""
        refused = refusals(accounts, proofs)
        found = {}
        for name, provider in self.providers.items():
            usable = [one for one in accounts if one.usable and one.toolkit in provider.toolkits]
            # Where all were refused, only another try can show that one works again.
            if best := [one for one in usable if one.id not in refused] or usable:
                found[name] = newest(best)
        return found

    def moved(self, accounts: Sequence[Account], proofs: Collection[Proof]) -> list[str]:
        """The providers to try once more: what was tried has changed meanwhile, or does not decide any more.

        Where that is so for the second time nothing is claimed, nor where there is nothing to try by now. *proofs*
        are without those of this check.
        """
        now = self.decisive(accounts, proofs)
        again = []
        for name, answer in self.answers.items():
            if name not in now:
                self.answers[name] = _NOTHING_TO_TRY
            elif not answer.verdict or _version(now[name]) == _version(self.chosen[name]):
                continue
            elif name in self.tried_again:
                self.answers[name] = Answer(why=Why.MOVED)
            else:
                self.chosen[name] = now[name]
                again.append(name)
        self.tried_again.update(again)
        return again

    def believe_newer(self, proofs: Collection[Proof], now: datetime) -> None:
        """Take over what others, who asked later about the same accounts, have proved; *proofs* are theirs."""
        theirs = {proof.account_id: proof for proof in proofs if proof.verdict is not Verdict.NEWER}
        for mine in self.proofs():
            other = theirs.get(mine.account_id)
            same = other is not None and other.account_updated_at == mine.account_updated_at
            # What is later than now was stored by a clock that has been put back.
            if other and same and mine.at < other.at <= now:
                self.answers[mine.provider] = Answer(other.verdict, other.whom, at=other.at)

    def claim_not(self, providers: Collection[str]) -> None:
        """What was answered of these could not be stored: they are being changed."""
        for name in providers:
            self.answers[name] = Answer(why=Why.MOVED)

    def claim_nothing(self, error: ComposioError) -> None:
        """What was answered cannot be held against the accounts as they are now."""
        for name, answer in self.answers.items():
            if answer.verdict:
                self.answers[name] = Answer(error=error)

    def proofs(self) -> list[Proof]:
        """What is proved of the accounts as they were chosen last."""
        return [
            Proof(self.composio_user_id, name, one.id, one.updated_at, answer.at, answer.verdict, answer.whom)
            for name, answer in self.answers.items()
            if answer.verdict and answer.at and (one := self.chosen[name])
        ]

    def report(self, rows: Callable[[str], Integration], at: datetime, *, named: bool) -> CheckReport:
        """What was found, of all providers where they were *named*; the *rows* are as stored now."""
        found = tuple(
            self._answer(name, row := rows(name)).finding(provider, row)
            for name, provider in self.providers.items()
            if named or name in self.answers
        )
        return CheckReport(found, self.probes, at)

    def _answer(self, name: str, row: Integration) -> Answer:
        answer = self.answers.get(name, _NOTHING_TO_TRY)
        gone = answer.verdict in (Verdict.WORKS, Verdict.ACCEPTED) and row.state is not State.CONNECTED
        return _NOTHING_TO_TRY if gone else answer  # it was revoked since


def _version(account: Account) -> tuple[str, datetime]:
    return account.id, account.updated_at


def made_by(proved: Collection[Proof], plan: Plan, without: Plan) -> set[str]:
    """The providers that are stored as something else because of what was *proved*."""
    after, else_ = _rows(plan), _rows(without)
    return {proof.provider for proof in proved if after.get(proof.provider) != else_.get(proof.provider)}


def _rows(plan: Plan) -> dict[str, Integration]:
    return {change.after.provider: change.after for change in plan.changes}
