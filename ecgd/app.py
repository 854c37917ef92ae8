"""Wiring: one straight-line function a role. Everything is made here and handed in."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from config.schema import Settings
from domain.errors import Transient
from domain.reason import Reason
from ecgd import loop
from ecgd.health import (
    CONFIG_INVALID,
    REGISTRY,
    RESTART_NEEDED,
    STOP_SIGNALS,
    Gauges,
    Health,
    HealthPage,
    door_event,
    set_up_logging,
)
from ecgd.schedule import schedule
from store.database import Database, migrate, open_database

if TYPE_CHECKING:
    from delivery.channels import Sender
    from ecgd.pipeline import Read
    from ecgd.reload import Reload

log = structlog.get_logger()
STOP_S = 20.0  # for what is in flight; below TimeoutStopSec of the units


def now() -> datetime:
    """The clock of the running service."""
    return datetime.now(UTC)


def listen(settings: Settings) -> None:
    """Open the doors, hand every arrival to the store, acknowledge after the commit."""
    from domain.arrival import Format
    from listener.dicom import DicomServer
    from listener.folder import FolderWatcher
    from listener.hl7 import Hl7Server
    from store.inbox import Inbox

    def same_content(kind: Format, first: bytes, second: bytes) -> bool:
        if kind is not Format.DICOM:
            return False
        from adapters.dicom import same_samples  # 2 s of imports that the doors need not wait for to open again

        return same_samples(first, second)

    with _role("listen", settings, settings.health.listen_port) as (stack, database, health, stop):
        inbox = Inbox(database, same_content=same_content, settings=settings.store, clock=now)
        stack.callback(inbox.close)
        doors: list[Any] = []
        jobs: dict[str, tuple[float, Callable[[], object]]] = {
            "doors": (5.0, lambda: health.beat("doors") if all(one.alive for one in (inbox, *doors)) else None)
        }
        if settings.doors.dicom:
            doors.append(DicomServer(settings.doors.dicom, inbox.accept, clock=now, on_event=door_event))
        if settings.doors.hl7:
            doors.append(Hl7Server(settings.doors.hl7, inbox.accept, clock=now, on_event=door_event))
        if settings.doors.folder:
            folder = FolderWatcher(settings.doors.folder, inbox.accept, clock=now, on_event=door_event)
            doors.append(folder)
            jobs["sweep"] = (settings.doors.folder.sweep_s, folder.sweep)
        stack.callback(schedule(jobs).shutdown)  # after the doors: what they stop, a sweep too, it does not wait for
        stack.callback(_all_at_once, [partial(door.stop, STOP_S) for door in doors])
        for door in doors:
            _open(door)
        health.ready()
        health.watch(stop)


def _open(door: Any) -> None:
    """Start a door; one whose port or folder is not to be had now may have it at the next start."""
    try:
        door.start()
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        raise Transient(Reason.OUR_FAULT, f"{type(door).__name__} cannot start: {why}; see ecgd check") from error


def work(settings: Settings, config: Path) -> None:
    """Keep the models resident; read, score, decide, settle, one arrival after the other; watch ``config``."""
    from ecgd.answered import answered
    from ecgd.queues import JobQueue, set_aside
    from ecgd.reader import Reader
    from ecgd.reload import EVERY_S
    from ecgd.shadow import Shadows
    from inference.scorer import Scorer
    from store.alerts import Alerts
    from store.census import Census
    from store.jobs import Jobs
    from store.memory import Memory

    with _role("work", settings, settings.health.work_port) as (stack, database, health, stop):
        reader = Reader(settings.reading)  # its child loads the parsers while the models load here
        stack.callback(reader.close)
        shadows = Shadows(settings.models) if settings.models.shadows else None
        scorer = Scorer(settings.models.only(*settings.models.told))
        for model in scorer.models:
            log.info("model", **asdict(model))
        if shadows:
            stack.callback(shadows.close)
        jobs = Jobs(database, settings.store, now, on_set_aside=set_aside)
        stack.callback(jobs.close)
        alerts = Alerts(database, now)
        stack.callback(alerts.close)
        reload = _reloading(config, settings, database, health)
        stack.callback(schedule({"configuration": (EVERY_S, reload.look)}).shutdown)
        queue = JobQueue(
            jobs,
            read=_asking(reader.read, settings, database, stack),
            score=partial(shadows.beside, scorer.score) if shadows else scorer.score,
            settings=settings,
            clock=now,
            stuck=stop.set,
            memory=Memory(database),
            said=reader.said,
            withdraws=reader.withdrawn,
            moved=reader.moved,
            answered=partial(answered, reader.acknowledged, alerts.told_by),
            people=Census(database, now),
            thresholds=reload.in_force,
        )
        health.ready()
        _run_loops([("work", queue)], health, stop, finish_s=settings.reading.timeout_s + 10)
        if queue.is_stuck:  # a fresh process may do what this one cannot
            log.error("stuck")
            raise SystemExit(1)


def _asking(read: "Read", settings: Settings, database: Database, stack: ExitStack) -> "Read":
    """``read``, and where messages may point to an ECG, a request for it in the outbox."""
    if settings.reading.references is None:
        return read
    from ecgd.references import asking
    from store.outbox import Outbox

    outbox = Outbox(database, settings.store, now)
    stack.callback(outbox.close)
    return asking(read, outbox.put, settings.reading.references, now)


def _fetching(settings: Settings, database: Database, stack: ExitStack) -> dict[str, "Sender"]:
    """The channel that fetches what messages point to, where that is allowed."""
    if settings.reading.references is None:
        return {}
    from delivery.reference import Fetcher
    from ecgd.references import CHANNEL, ReferenceSender
    from store.inbox import Inbox
    from store.memory import Memory

    inbox = Inbox(database, same_content=lambda *_: False, settings=settings.store, clock=now)
    stack.callback(inbox.close)
    fetcher = Fetcher(settings.reading.references, clock=now)
    return {CHANNEL: ReferenceSender(fetcher, Memory(database), inbox.accept)}


def _reloading(config: Path, settings: Settings, database: Database, health: Health) -> "Reload":
    """Thresholds that follow the file; what is wrong with it stands on the health page and in two metrics."""
    from ecgd.reload import Reload, remember

    def invalid(mistakes: int) -> None:
        CONFIG_INVALID.set(mistakes)
        words = f"{mistakes} mistake(s) in the file; the last good thresholds stay in force"
        health.note("configuration", words if mistakes else "")

    def restart(sections: Sequence[str]) -> None:
        RESTART_NEEDED.set(len(sections))
        health.note("restart", f"changed, and counts after a restart: {', '.join(sections)}" if sections else "")

    return Reload(
        config,
        settings,
        keep=lambda thresholds, written: remember(database, thresholds, written, now()),
        clock=now,
        invalid=invalid,
        restart=restart,
    )


def deliver(settings: Settings) -> None:
    """Send what the outbox holds; each destination has its own queue."""
    from delivery.channels import senders
    from delivery.http import FhirSender
    from ecgd.flags import FlagKeeper
    from ecgd.pager import Pager
    from ecgd.queues import ChannelQueue
    from store.alerts import Alerts
    from store.flags import Flags
    from store.outbox import Outbox

    with _role("deliver", settings, settings.health.deliver_port) as (stack, database, health, stop):
        channels = senders(settings, _lacking) | _fetching(settings, database, stack)
        alerts = Alerts(database, now)
        stack.callback(alerts.close)
        queues: list[tuple[str, Any]] = [("pager", Pager(alerts, settings, now))]
        if settings.alerts.acknowledge:
            from ecgd.ack_page import AckPage

            page = AckPage(settings.alerts.acknowledge, settings, alerts, now)
            stack.callback(page.stop)
            _open(page)
        flags = Flags(database, now, allow_stand_in=settings.models.allow_stand_in)
        stack.callback(flags.close)
        queues.append(("flags", FlagKeeper(flags, settings=settings, clock=now)))
        for channel, sender in channels.items():
            stack.callback(sender.close)
            outbox = Outbox(database, settings.store, now)
            stack.callback(outbox.close)
            others = channels.keys() - {channel}
            queue = ChannelQueue(outbox, channel, sender, others=others, settings=settings, clock=now)
            queues += [(f"{channel}#{number}", queue) for number in range(settings.delivery.concurrency)]
            health.allow(sender.longest_s)
        for sender in channels.values():
            if isinstance(sender, FhirSender):  # beside all else: one that is down must not keep the service waiting
                threading.Thread(target=loop.guarded(sender.can), daemon=True).start()
        health.ready()
        _run_loops(queues, health, stop, finish_s=STOP_S)


def _lacking(channel: str, words: tuple[str, ...]) -> None:
    """Say what a destination says it cannot do; ``ecgd check`` does too."""
    for line in words:
        log.error("destination lacks", channel=channel, lacks=line)


def _run_loops(queues: Sequence[tuple[str, Any]], health: Health, stop: threading.Event, *, finish_s: float) -> None:
    """Run each loop in a thread and feed the watchdog; at the end all that is in hand has ``finish_s`` together."""
    threads = []
    for name, queue in queues:
        run = partial(loop.run, queue, queue.handle, stop=stop, beat=partial(health.beat, name))
        threads.append(threading.Thread(target=run, name=name, daemon=True))
    for thread in threads:
        thread.start()
    health.watch(stop)
    until = time.monotonic() + finish_s
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def _all_at_once(calls: Sequence[Callable[[], object]]) -> None:
    with ThreadPoolExecutor(len(calls) or 1) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()


@contextmanager
def _role(name: str, settings: Settings, port: int) -> Iterator[tuple[ExitStack, Database, Health, threading.Event]]:
    """What every role shares: logs, stop signals, the migrated database, the health page; undone in reverse."""
    set_up_logging(settings.logging, name)
    stop = threading.Event()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # before any thread: all inherit it
    health = Health(stale_s=max(120.0, settings.reading.timeout_s * 2 + 60))
    with ExitStack() as stack:
        stack.callback(health.close)
        database = open_database(settings.store, settings.state_dir)
        stack.callback(database.close)
        migrate(database)
        if name == "listen":
            _expose(database)
        page = HealthPage(port, health)
        page.start()
        stack.callback(page.stop)
        yield stack, database, health, stop
        health.stopping()
    log.info("stopped")


def _expose(database: Database) -> None:
    """Queue depth and age as gauges: in one role only, so that sums over roles stay right."""
    from ecgd.operate import gauges
    from store.report import counts

    def read() -> dict[str, float]:
        numbers: dict[str, float] = {}
        loop.guarded(lambda: numbers.update(gauges(counts(database))))()
        return numbers

    REGISTRY.register(Gauges(read))
