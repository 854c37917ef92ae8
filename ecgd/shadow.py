"""Models that nobody hears of, in a process of their own: what they do to themselves they do to nobody else.

They may be slow, hang, crash, or need more memory than there is: a result waits for them ``models.shadow_wait_s`` at
most, and goes out without them. An ECG that comes while they are busy with an earlier one is not shown to them.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Protocol

import structlog

from config.schema import Models
from domain.ecg import Ecg
from domain.errors import Permanent
from domain.finding import Abstention, Score
from domain.reason import Reason
from ecgd import health
from ecgd.child import die_with_parent, say_last_words

if TYPE_CHECKING:
    from inference.scorer import ModelFacts

log = structlog.get_logger()
HUNG_S, LOADING_S = 60.0, 300.0  # busy with one ECG, or with its start, for longer: the process is ended
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 300.0  # before a process that died is started again
_NICE = 10  # the models that count come first
Answers = tuple[Score | Abstention, ...]


class Child(Protocol):
    """The process with the models; every method but ``kill`` raises ``EOFError`` or ``OSError`` when it is gone."""

    def ready(self) -> "tuple[ModelFacts, ...]":
        """Wait until the models are loaded. Raises ``Permanent`` where one cannot be."""

    def ask(self, ecg: Ecg) -> Answers:
        """Every model's answer."""

    def kill(self) -> None:
        """End it."""


class Shadows:
    """The shadow models of one worker. Not thread-safe."""

    def __init__(
        self,
        settings: Models,
        start: Callable[[Models], Child] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._start, self._clock = settings, start or _Process, clock
        self._child: Child | None = None
        self._loaded = False
        self._facts: tuple[ModelFacts, ...] = ()
        self._not_before, self._wait_s = -1.0, FIRST_WAIT_S
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self._since = clock()
        self._at_work: Future[Answers] = self._pool.submit(self._answered, None)

    def beside(self, score: Callable[[Ecg], Answers], ecg: Ecg) -> Answers:
        """Score an ECG, and have the shadows score it at the same time; theirs come last."""
        asked = self._ask(ecg)
        told = score(ecg)
        return (*told, *self._waited(asked))

    def close(self) -> None:
        """End the process."""
        if self._child:
            self._child.kill()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, ecg: Ecg) -> Future[Answers] | None:
        if not self._at_work.done():
            longest_s = HUNG_S if self._loaded else LOADING_S
            if self._clock() - self._since > longest_s and self._child:
                log.error("shadow models hang")
                self._child.kill()
            return None
        self._since = self._clock()
        self._at_work = self._pool.submit(self._answered, ecg)
        return self._at_work

    def _waited(self, asked: Future[Answers] | None) -> Answers:
        if asked is None:
            return self._missed(Reason.SHADOW_LATE)
        try:
            return asked.result(self._settings.shadow_wait_s)
        except NotYet:
            return self._missed(Reason.SHADOW_LATE)

    def _answered(self, ecg: Ecg | None) -> Answers:
        """In the pool's thread: start the process where there is none, and ask it."""
        if self._clock() < self._not_before:
            return self._missed(Reason.SHADOW_CRASHED)
        try:
            if self._child is None:
                self._child = self._start(self._settings)
                self._facts, self._loaded = self._child.ready(), True
                log.info("shadow models", models=[f"{one.name} {one.version}" for one in self._facts])
            found = self._child.ask(ecg) if ecg else ()
        except (EOFError, OSError, Permanent) as error:
            log.error(
                "shadow models gone", detail=error.detail if isinstance(error, Permanent) else "", again_s=self._wait_s
            )
            self._gone()
            return self._missed(Reason.SHADOW_CRASHED)
        self._wait_s = FIRST_WAIT_S if ecg else self._wait_s
        return found

    def _gone(self) -> None:
        if self._child:
            self._child.kill()
        self._child, self._loaded = None, False
        self._not_before = self._clock() + self._wait_s
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def _missed(self, reason: Reason) -> Answers:
        """Kept as an abstention of each model, so that a comparison knows what is missing."""
        health.SHADOW_MISSED.labels(reason).inc()
        return tuple(
            Abstention(
                model=one.name,
                version=one.version,
                bundle_sha256=one.sha256,
                status=one.status,
                output=one.output,
                mode=one.mode,
                reason=reason,
            )
            for one in self._facts
        )


class _Process:
    """The parent's end of the pipe. Pickles are our own: the models' code is ours, their weights are only numbers."""

    def __init__(self, settings: Models) -> None:
        self._pipe, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ecgd.shadow", str(theirs.fileno()), settings.model_dump_json()],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def ready(self) -> "tuple[ModelFacts, ...]":
        found = self._pipe.recv()
        if isinstance(found, str):
            raise Permanent(Reason.BUNDLE_UNUSABLE, found)
        return tuple(found)

    def ask(self, ecg: Ecg) -> Answers:
        self._pipe.send(replace(ecg, page=None))  # the page as it came is for people
        return tuple(self._pipe.recv())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def _serve(pipe: Connection, settings: Models) -> None:
    """The child: answer until the parent goes away."""
    say_last_words("shadow")
    die_with_parent()
    os.nice(_NICE)
    from inference.scorer import Scorer

    try:
        scorer = Scorer(settings.only(*settings.shadows))
    except Permanent as error:
        pipe.send(error.detail or str(error.reason))
        return
    pipe.send(scorer.models)
    while True:
        try:
            ecg = pipe.recv()
        except EOFError:
            return
        pipe.send(scorer.score(ecg))


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])), Models.model_validate_json(sys.argv[2]))
