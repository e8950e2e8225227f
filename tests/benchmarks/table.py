"""The table: what each work costs beside its references, whether that meets its goal, and if not, why."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a work costs us and the references, and its goals.

    *at_most* is how much of the minimum ours may cost, *at_least* how much more the plain way must cost than ours.
    Costs are seconds, unless *unit* says by what they are multiplied for which other name; *accounts* is how many
    they are for. *why* is told when a goal is missed, *note* always.
    """

    work: str
    minimum: float
    ours: float
    plain: float | None = None
    accounts: int | None = None
    at_most: float | None = None
    at_least: float | None = None
    unit: tuple[float, str] = (1000.0, "ms")
    why: str = ""
    note: str = ""

    @property
    def ratio(self) -> float:
        """How much of the minimum ours costs."""
        return self.ours / self.minimum

    @property
    def speedup(self) -> float:
        """How much of ours the plain way costs."""
        return (self.plain or 0.0) / self.ours

    @property
    def over(self) -> float:
        """By how much of the minimum the goal is missed; 0 when it is met."""
        return max(0.0, self.ratio - self.at_most) if self.at_most else 0.0

    @property
    def short(self) -> float:
        """By how much of ours the goal against the plain way is missed; 0 when it is met."""
        return max(0.0, self.at_least - self.speedup) if self.at_least else 0.0

    def cells(self) -> list[str]:
        """The row's line."""
        return [
            self.work,
            self._amount(self.minimum),
            self._amount(self.ours),
            self._amount(self.plain),
            f"{self.ours / self.accounts * 1e6:,.0f} µs" if self.accounts else "–",
            f"{self.ratio:.2f} ×",
            _goal("≤", self.at_most, self.over),
            "–" if self.plain is None else f"{self.speedup:.{2 if self.speedup < 10 else 0}f} ×",
            _goal("≥", self.at_least, self.short),
        ]

    def remarks(self) -> Iterator[str]:
        """What stands below the line."""
        missed = [f"{self.over:.2f} × of the minimum"] if self.over else []
        missed += [f"{self.short:.2f} × of the plain way"] if self.short else []
        if missed:
            yield f"Missed by {' and by '.join(missed)}: {self.why}."
        if self.note:
            yield f"{self.note}."

    def _amount(self, value: float | None) -> str:
        factor, name = self.unit
        return "–" if value is None else f"{value * factor:,.1f} {name}"


def _goal(sign: str, goal: float | None, missed: float) -> str:
    return "–" if goal is None else f"{sign} {goal:g} {'MISSED' if missed else 'met'}"


HEAD = ["work", "minimum", "ours", "plain way", "per account", "of minimum", "goal", "plain / ours", "goal"]
_REMARK = textwrap.TextWrapper(width=120, initial_indent="    ", subsequent_indent="    ")


def rendered(rows: Sequence[Row]) -> str:
    """The table as text, with each row's remarks below it."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(HEAD))]
    text = [_line(HEAD, widths), "-" * len(_line(HEAD, widths))]
    for row in rows:
        text += [_line(row.cells(), widths), *(_REMARK.fill(remark) for remark in row.remarks())]
    return "\n".join(text)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join([cells[0].ljust(widths[0]), *aligned[1:]])
