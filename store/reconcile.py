"""The proof that nothing was lost: every acknowledged arrival ended in one way, and the books agree about it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from store.database import Database
from store.report import Counts, count_all
from store.tables import alert_events, alerts, arrivals, findings, jobs, open_rows, outbox

MOST_NAMED = 1000  # of each kind; a broken database must not print itself

_LAST = sa.and_(findings.c.arrival_id == jobs.c.arrival_id, findings.c.lease == jobs.c.lease)
_KEPT = sa.select(sa.func.count()).where(outbox.c.finding_id == findings.c.id).correlate(findings).scalar_subquery()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What does not agree, in words with our numbers only, and the totals of the same snapshot."""

    discrepancies: tuple[str, ...]
    totals: Counts


def reconcile(database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Reconciliation:
    """Compare arrivals with jobs, jobs with findings, findings with messages, all in one snapshot.

    Every acknowledged arrival is scored, abstained, ignored or quarantined, every finding's messages are all there;
    what is not, or not yet, is listed.
    """
    with database.read() as connection:
        found = tuple(line for words, query in _CHECKS for line in _lines(connection, words, query))
        return Reconciliation(discrepancies=found, totals=count_all(connection, clock()))


def _lines(connection: Connection, words: str, query: sa.Select[Any]) -> list[str]:
    rows = connection.execute(query.limit(MOST_NAMED + 1)).all()
    lines = [words.format(*row) for row in rows[:MOST_NAMED]]
    return lines if len(rows) <= MOST_NAMED else [*lines, f"and more of: {words.format(*'NNN')}"]


def _settled_without(state: str, column: sa.Column[int]) -> sa.Select[Any]:
    """Jobs in ``state`` whose last settlement left no finding that has any of ``column``."""
    kept = sa.exists().where(_LAST, column > 0)
    return sa.select(jobs.c.arrival_id).where(jobs.c.state == state, ~kept).order_by(jobs.c.arrival_id)


def _happened(*what: str) -> sa.Exists:
    """Whether something ever happened to an alert."""
    return sa.exists().where(alert_events.c.alert_id == alerts.c.id, alert_events.c.what.in_(what))


_EVER_SENT = _happened("sent")
_ON_ITS_WAY = sa.exists().where(alert_events.c.alert_id == alerts.c.id, alert_events.c.pending)


_CHECKS: tuple[tuple[str, sa.Select[Any]], ...] = (
    (
        "arrival {}: no job",
        sa.select(arrivals.c.id).where(~sa.exists().where(jobs.c.arrival_id == arrivals.c.id)).order_by(arrivals.c.id),
    ),
    (
        "job {}: no arrival",
        sa.select(jobs.c.arrival_id).where(~sa.exists().where(arrivals.c.id == jobs.c.arrival_id)),
    ),
    (
        "arrival {}: {} (not settled yet)",
        sa.select(jobs.c.arrival_id, jobs.c.state).where(open_rows).order_by(jobs.c.arrival_id),
    ),
    ("arrival {}: scored, but no finding has an assessment", _settled_without("scored", findings.c.assessments)),
    ("arrival {}: abstained, but no finding has an abstention", _settled_without("abstained", findings.c.abstentions)),
    (
        "arrival {}: abstained, but a finding has an assessment",
        sa.select(jobs.c.arrival_id)
        .where(jobs.c.state == "abstained", sa.exists().where(_LAST, findings.c.assessments > 0))
        .order_by(jobs.c.arrival_id),
    ),
    (
        "arrival {}: {}, but it has findings",
        sa.select(jobs.c.arrival_id, jobs.c.state)
        .where(jobs.c.state.in_(["ignored", "quarantined"]), sa.exists().where(_LAST))
        .order_by(jobs.c.arrival_id),
    ),
    (
        "arrival {}: {} without a reason",
        sa.select(jobs.c.arrival_id, jobs.c.state)
        .where(jobs.c.state.in_(["abstained", "ignored", "quarantined"]), jobs.c.reason.is_(None))
        .order_by(jobs.c.arrival_id),
    ),
    (
        "arrival {}: {}, but not since when",
        sa.select(jobs.c.arrival_id, jobs.c.state)
        .where(jobs.c.state.not_in(["waiting", "leased"]), jobs.c.settled_at.is_(None))
        .order_by(jobs.c.arrival_id),
    ),
    (
        "finding {}: no arrival",
        sa.select(findings.c.id).where(~sa.exists().where(arrivals.c.id == findings.c.arrival_id)),
    ),
    (
        "finding {}: {} of its {} messages are gone",
        sa.select(findings.c.id, findings.c.messages - _KEPT, findings.c.messages)
        .where(findings.c.messages > _KEPT)
        .order_by(findings.c.id),
    ),
    (
        "message {}: its finding {} is gone",
        sa.select(outbox.c.id, outbox.c.finding_id).where(
            outbox.c.finding_id.is_not(None), ~sa.exists().where(findings.c.id == outbox.c.finding_id)
        ),
    ),
    (
        "alert {}: nobody was told yet (not told yet)",
        sa.select(alerts.c.id)
        .where(alerts.c.closed_at.is_(None), ~_EVER_SENT, ~_happened("joined", "acknowledged"))
        .order_by(alerts.c.id),
    ),
    (
        "alert {}: {}, and nobody was ever told",
        sa.select(alerts.c.id, alerts.c.reason)
        .where(alerts.c.reason.in_(["over", "expired"]), ~_EVER_SENT, ~_happened("acknowledged"))
        .order_by(alerts.c.id),
    ),
    (
        "alert {}: a message to {} is gone",
        sa.select(alert_events.c.alert_id, alert_events.c.channel)
        .where(alert_events.c.what == "sent", ~sa.exists().where(outbox.c.key == alert_events.c.message))
        .order_by(alert_events.c.id),
    ),
    (
        "alert {}: open, and none of its messages was taken by anybody; tell the unit yourself",
        sa.select(alerts.c.id)
        .where(alerts.c.closed_at.is_(None), _EVER_SENT, ~_happened("delivered", "acknowledged"), ~_ON_ITS_WAY)
        .order_by(alerts.c.id),
    ),
    (
        "alert {}: {}, and none of its messages was taken by anybody",
        sa.select(alerts.c.id, alerts.c.reason)
        .where(alerts.c.reason.in_(["over", "expired"]), _EVER_SENT, ~_happened("delivered", "acknowledged"))
        .order_by(alerts.c.id),
    ),
    (
        "alert {}: closed, but not for ever: somebody has to hear that it is {} (not told yet)",
        sa.select(alerts.c.id, alerts.c.reason)
        .where(alerts.c.closed_at.is_not(None), ~alerts.c.done)
        .order_by(alerts.c.id),
    ),
    (
        "message {}: sent, but not when",
        sa.select(outbox.c.id).where(outbox.c.state == "sent", outbox.c.sent_at.is_(None)),
    ),
    (
        "message {}: in no known state",
        sa.select(outbox.c.id).where(outbox.c.state.not_in(["waiting", "leased", "sent", "buried"])),
    ),
    (
        "message {}: buried without a reason",
        sa.select(outbox.c.id).where(outbox.c.state == "buried", outbox.c.reason.is_(None)),
    ),
)
