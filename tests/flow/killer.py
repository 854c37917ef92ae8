"""Kills roles at random instants and starts them again at once."""

import random
import threading
import time

from tests.flow.harness import START_S, Ecgd


class Killer:
    """One thread a role: let it live for a random time, SIGKILL it, start it again; ``kills`` times.

    Two kills in three come after the role was ready, the third at any instant of its start. After the last one the
    role stays up. Used as a context manager: leaving it waits until every role has had its kills and is ready again.
    """

    def __init__(self, ecgd: Ecgd, chance: random.Random, *, kills: dict[str, int], lives_s: dict[str, float]) -> None:
        self._ecgd = ecgd
        self._lives_s = lives_s
        self.instants: dict[str, list[float]] = {role: [] for role in kills}
        self.failures: list[BaseException] = []
        self._threads = [
            threading.Thread(
                target=self._guarded, args=(role, count, random.Random(chance.random())), name=f"kill-{role}"
            )
            for role, count in kills.items()
        ]

    def __enter__(self) -> "Killer":
        self._start = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def _guarded(self, role: str, count: int, chance: random.Random) -> None:
        try:
            self._kill(role, count, chance)
        except (AssertionError, OSError) as error:
            self.failures.append(error)

    def _kill(self, role: str, count: int, chance: random.Random) -> None:
        process = self._ecgd.processes[role]
        never = threading.Event()
        for _ in range(count):
            never.wait(chance.uniform(0, self._lives_s[role]))
            process.kill()
            self.instants[role].append(round(time.monotonic() - self._start, 2))
            process = self._ecgd.launch(role)
            if chance.random() < 2 / 3:
                process.await_ready(START_S)
        if not process.ready:
            process.await_ready(START_S)
