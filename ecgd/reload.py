"""Thresholds that change while the service runs: looked for, validated whole, swapped between two arrivals.

The file is read again and again and compared by content: a change is seen on NFS, through a symlink that was pointed
elsewhere, and however an editor writes. It counts once two looks have found the same, so that half a file, which may
be valid, is not taken for a whole one.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from config.blocks import block, differences
from config.load import InvalidConfiguration, Mistake, files, load
from config.schema import Settings
from config.thresholds import Thresholds
from inference.decide import thresholds_sha256
from store.configurations import history, keep
from store.database import Database

log = structlog.get_logger()
EVERY_S = 1.0
AGAIN = timedelta(minutes=10)  # between two reminders that the file is wrong
LIVE = {"thresholds", "include"}  # what other files bring stands in the section that they bring it to

Keep = Callable[[Thresholds, Mapping[str, str | None]], object]


def texts(path: Path) -> dict[str, str | None]:
    """Its thresholds as they are written, by file: named from the main file's folder on. ``None``: there are none."""
    return {name_of(one, path): block(_read(one).decode("utf-8", "replace")) for one in files(path)}


def name_of(file: Path, path: Path) -> str:
    """How a file of a configuration is called, wherever that lies."""
    return os.path.relpath(file, path.parent)


class Reload:
    """What is in force, and whether the file says so. ``look`` is called every ``EVERY_S``, from one thread.

    ``keep``: told which thresholds are in force from now on, and their texts; again when it raised. ``invalid``: told
    how many mistakes are in the file. ``restart``: told which sections have changed that need one.
    """

    def __init__(
        self,
        path: Path,
        settings: Settings,
        *,
        keep: Keep,
        clock: Callable[[], datetime],
        invalid: Callable[[int], object] = lambda _: None,
        restart: Callable[[tuple[str, ...]], object] = lambda _: None,
    ) -> None:
        self._path, self._started, self._clock = path, settings, clock
        self._keep, self._invalid, self._restart = keep, invalid, restart
        self._in_force = settings.thresholds
        self._seen, self._settled = _digest(path), ""  # the first two looks find what changed since it was loaded
        self._mistakes: tuple[Mistake, ...] = ()
        self._told_at = clock()
        self._kept = False
        self._waiting: tuple[str, ...] = ()

    def in_force(self) -> Thresholds:
        """The thresholds that hold for the next arrival."""
        return self._in_force

    def look(self) -> None:
        """Look whether the file has changed and has come to rest; keep what could not be kept before."""
        found, before = _digest(self._path), self._seen
        self._seen = found
        if found == before and found != self._settled:
            self._take(found)
        elif self._mistakes and self._clock() - self._told_at >= AGAIN:
            self._tell()
        if not self._kept:
            self._keep(self._in_force, texts(self._path))
            self._kept = True

    def _take(self, found: str) -> None:
        try:
            settings = _whole(self._path)
            mistakes: tuple[Mistake, ...] = ()
        except InvalidConfiguration as error:
            mistakes = error.mistakes
        if _digest(self._path) != found:
            return  # it changed in between: next time
        self._settled = found
        if mistakes:
            self._mistakes = mistakes
            self._tell()
            return
        if self._mistakes:
            self._mistakes = ()
            self._invalid(0)
            log.info("configuration in order again")
        self._compare(settings)
        self._swap(settings.thresholds)

    def _tell(self) -> None:
        """Mistakes name places, levels and what would be right; of secrets the file has none."""
        self._told_at = self._clock()
        self._invalid(len(self._mistakes))
        log.error(
            "configuration invalid",
            mistakes=list(map(str, self._mistakes)),
            in_force=thresholds_sha256(self._in_force),
            do="the last good thresholds stay in force; mend the file, or: ecgd thresholds undo",
        )

    def _compare(self, settings: Settings) -> None:
        changed = tuple(
            name
            for name in type(settings).model_fields
            if name not in LIVE and getattr(settings, name) != getattr(self._started, name)
        )
        if changed != self._waiting:
            self._waiting = changed
            self._restart(changed)
            if changed:
                log.warning("needs a restart", sections=list(changed))

    def _swap(self, new: Thresholds) -> None:
        old = self._in_force
        if new == old:
            return
        changes = differences(old.model_dump(mode="json"), new.model_dump(mode="json"))
        self._in_force = new  # one reference: the next arrival is decided by all of the new or all of the old
        log.info(
            "thresholds",
            changes=list(changes),
            sha256=thresholds_sha256(new),
            before=thresholds_sha256(old),
        )
        self._kept = False


def remember(database: Database, thresholds: Thresholds, written: Mapping[str, str | None], now: datetime) -> None:
    """Keep them in the store, with what changed against those before; not where these were the last."""
    content, last = dumped(thresholds), history(database, 1)
    changes = differences(last[0].content, content) if last else ()
    sha256 = thresholds_sha256(thresholds)
    keep(database, sha256=sha256, content=content, texts=written, changes=changes, now=now)


def _whole(path: Path) -> Settings:
    """Load it; a file with nothing in it is one that is being written, or was lost: no wish for the defaults."""
    settings = load(path)
    if not _read(path).strip():
        raise InvalidConfiguration((Mistake(str(path), "is empty", "put the configuration back"),))
    return settings


def _digest(path: Path) -> str:
    whole = hashlib.sha256()
    for one in files(path):
        content = _read(one)
        whole.update(f"{one}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def dumped(thresholds: Thresholds) -> dict[str, Any]:
    """As it is kept: every level written out."""
    return thresholds.model_dump(mode="json")
