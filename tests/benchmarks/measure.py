"""CPU time of this process, measured side by side: one round of each contender after the other, then the medians.

CPU time and ratios, because the wall clock and the speed of a machine say nothing about the code.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time

Work = Callable[[], Awaitable[object]]


async def _nothing() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way to do a work. *prepare* is not measured; *repeat* makes a short work long enough to be measured.

    *scale* is how much more work the row stands for than is done, for ways that are too slow to be run in full.
    """

    work: Work
    prepare: Work = _nothing
    rounds: int = 7
    repeat: int = 1
    scale: float = 1.0

    async def seconds(self) -> float:
        """The CPU time of one work. The collector runs before, and then as it likes."""
        await self.prepare()
        gc.collect()
        begin = process_time()
        for _ in range(self.repeat):
            await self.work()
        return (process_time() - begin) / self.repeat * self.scale


@dataclass(frozen=True)
class Costs:
    """Medians of what ours and the references took, in seconds or in whatever else the row counts."""

    ours: float
    minimum: float
    plain: float | None = None

    @property
    def ratio(self) -> float:
        """How much more than the minimum ours takes."""
        return self.ours / self.minimum

    @property
    def speedup(self) -> float | None:
        """How much less than the plain way ours takes."""
        return None if self.plain is None else self.plain / self.ours


async def measure(contenders: Mapping[str, Contender]) -> Costs:
    """The costs of ``ours``, ``minimum`` and, where there is one, ``plain``, interleaved."""
    for contender in contenders.values():
        if contender.rounds > 1:  # warm up
            await contender.prepare()
            await contender.work()
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(max(contender.rounds for contender in contenders.values())):
        for name, contender in contenders.items():
            if number < contender.rounds:
                samples[name].append(await contender.seconds())
    return costs(samples)


def costs(samples: Mapping[str, Sequence[float]]) -> Costs:
    """The medians of what was sampled for each contender."""
    return Costs(**{name: median(values) for name, values in samples.items()})
