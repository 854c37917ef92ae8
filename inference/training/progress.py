"""How a long run is followed: bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Step = Callable[[int, str], None]
"""Called with how many more are done, and what to say beside the bar."""

EVERY_S = 60.0  # a plain line a minute: a log, not a flood


class Reporter:
    """Says where a run stands."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock

    def say(self, text: str) -> None:
        """One line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def following(self, what: str, total: int) -> Iterator[Step]:
        """A stretch of work of known length."""
        if self._console.is_terminal:
            with self._bar() as bar:
                task = bar.add_task(what, total=total, beside="")
                yield lambda done, beside: bar.update(task, advance=done, beside=beside)
        else:
            yield self._lines(what, total)

    def _bar(self) -> Progress:
        columns: tuple[Any, ...] = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[beside]}"),
        )
        return Progress(*columns, console=self._console, transient=True)

    def _lines(self, what: str, total: int) -> Step:
        began = last = self._clock()
        count = 0

        def step(done: int, beside: str) -> None:
            nonlocal last, count
            count += done
            now = self._clock()
            if now - last >= EVERY_S and count < total:
                last = now
                left = (now - began) / max(count, 1) * (total - count)
                self.say(f"{what}: {count} of {total}, {left:.0f} s left {beside}".rstrip())

        return step
