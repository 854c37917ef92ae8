"""The tables. What came in never changes; where it stands does, in rows of their own.

arrivals   immutable: the bytes and the key under which they are the same thing
jobs       one an arrival: waiting -> leased -> scored | abstained | ignored | quarantined (and back, by a person)
findings   what was decided, one an ECG in the arrival
outbox     what has to be sent: waiting -> leased -> sent | buried
recordings what is kept of each ECG to know it again through another door, and ``marks``, by which it is found
alerts     what people are to hear of, one a finding and risk, and ``alert_events``, all that happened to each
attachments whose an ECG is, where its sender did not say: by a person or by another message
movements  what an admission feed said, as it said it; ``moved``: of whom, by each of a person's record numbers
merges     which person turned out to be which other
flags      risks that stand in patients' records; ``watched``: of whom something changed that a flag may depend on
retractions  whose result was taken back by a person or its sender, and why
scores     what each model said of each ECG, in narrow rows that are read by the million
configurations   the thresholds as they were, one row a change

``available_at`` is when a row may next be claimed; while it is leased that is the lease's end, so that a dead
worker's rows come back by the same condition. What may be claimed at once says 1970, not now: a clock that steps back
must not make it wait. ``lease`` counts claims and never goes back: whoever holds an older
number writes nothing. ``attempts`` counts failures and starts again when a person requeues.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """An aware time as it is kept."""
    return (moment - EPOCH) // MICROSECOND


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware time, kept as microseconds since 1970-01-01T00:00Z: the same number, order and index everywhere."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """Refuse nothing but ``None``: a naive time fails in the subtraction."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        """Give back UTC."""
        return None if value is None else EPOCH + value * MICROSECOND


class JobState(StrEnum):
    """Where an arrival stands; the last four are ``domain.outcome.Outcome``."""

    WAITING = "waiting"
    LEASED = "leased"
    SCORED = "scored"
    ABSTAINED = "abstained"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"


class MessageState(StrEnum):
    """Where a message stands."""

    WAITING = "waiting"
    LEASED = "leased"
    SENT = "sent"
    BURIED = "buried"


# Written out, not bound: a database uses a partial index only where it can see that the condition implies it.
OPEN = "state IN ('waiting', 'leased')"
open_rows = sa.text(OPEN)
RETRACTED = "retracted"
UNNAMED = "NOT named"
unnamed_rows = sa.text(UNNAMED)

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite numbers rows only through INTEGER PRIMARY KEY
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(states: type[StrEnum]) -> str:
    return "state IN ('{}')".format("', '".join(states))


arrivals = sa.Table(
    "arrivals",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("format", sa.String(16), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),  # last: SQLite reads the others without walking the BLOB
    sqlite_autoincrement=True,  # a number is never given twice
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("arrival_id", Id, sa.ForeignKey("arrivals.id"), primary_key=True, autoincrement=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(40)),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lease", sa.Integer, nullable=False),
    sa.Column("available_at", Instant, nullable=False),
    sa.Column("leased_until", Instant),
    sa.Column("settled_at", Instant),
    sa.Column("timings", Json),
    sa.Column("turn", sa.Integer, nullable=False, server_default="0"),  # new ECGs 0, before what can wait
    sa.CheckConstraint(_one_of(JobState), name="state"),
    sa.CheckConstraint("state IN ('waiting', 'leased', 'scored') OR reason IS NOT NULL", name="reason"),
    sa.Index("ix_jobs_open", "turn", "arrival_id", "available_at", sqlite_where=open_rows, postgresql_where=open_rows),
)

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("arrival_id", Id, sa.ForeignKey("arrivals.id"), nullable=False, index=True),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("key", sa.String(64), nullable=False, unique=True),
    sa.Column("lease", sa.Integer, nullable=False),  # the job's, when it was settled with this finding
    sa.Column("severity", sa.Integer),  # NULL: no model answered
    sa.Column("assessments", sa.Integer, nullable=False),
    sa.Column("abstentions", sa.Integer, nullable=False),
    sa.Column("messages", sa.Integer, nullable=False),  # how many its last settlement caused: that many rows in outbox
    sa.Column("thresholds_sha256", sa.String(64), nullable=False),
    sa.Column("decided_at", Instant, nullable=False),
    sa.Column("facts", Json, nullable=False),
    sa.Column("superseded_by", sa.String(64)),  # the key of the finding that took its place; RETRACTED: none did
    sa.Column("person", sa.String(32), index=True),  # domain.person.person_key; NULL: not identified
    sqlite_autoincrement=True,
)

recordings = sa.Table(
    "recordings",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("arrival_id", Id, sa.ForeignKey("arrivals.id"), nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("ecg", sa.String(40), nullable=False, index=True),  # the recording, whatever door it came through
    sa.Column("identified", sa.Boolean, nullable=False),  # it has a record number
    sa.Column("named", sa.Boolean, nullable=False),  # one that the EHR would know
    sa.Column("acquired_at", Instant, index=True),
    sa.Column("clock", Instant, index=True),  # the sender's clock as it read, taken for UTC
    sa.Column("source", sa.Integer, nullable=False),
    sa.Column("quarters", sa.Integer, nullable=False),
    sa.Column("said", Json),  # of an ECG that is not in the arrival
    sa.Column("print", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("arrival_id", "part"),
    sa.Index("ix_recordings_unnamed", "id", sqlite_where=unnamed_rows, postgresql_where=unnamed_rows),
    sqlite_autoincrement=True,
)

marks = sa.Table(
    "marks",
    metadata,
    sa.Column("recording_id", Id, sa.ForeignKey("recordings.id"), primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(8), primary_key=True),  # patient, order
    sa.Column("digest", sa.String(32), primary_key=True),
    sa.Index("ix_marks_digest", "digest"),
)

attachments = sa.Table(
    "attachments",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("arrival_id", Id, sa.ForeignKey("arrivals.id"), nullable=False, index=True),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("identifiers", Json, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

not_done_rows = sa.text("NOT done")
pending_rows = sa.text("pending")

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("finding", sa.String(64), nullable=False),  # its key
    sa.Column("person", sa.String(32), nullable=False),
    sa.Column("recording", sa.String(40), nullable=False),
    sa.Column("risk", sa.String(16), nullable=False),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("level", sa.String(16), nullable=False),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),  # of care
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("stand_in", sa.Boolean, nullable=False),
    sa.Column("said", Json, nullable=False),
    sa.Column("raised_at", Instant, nullable=False, index=True),
    sa.Column("since", Instant, nullable=False),  # when its chain of escalation began
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("closed_at", Instant),
    sa.Column("reason", sa.String(16)),
    sa.Column("done", sa.Boolean, nullable=False),  # closed, and everybody who must know that was told
    sa.CheckConstraint("closed_at IS NULL OR reason IS NOT NULL", name="reason"),
    sa.UniqueConstraint("finding", "risk"),
    sa.Index("ix_alerts_not_done", "id", sqlite_where=not_done_rows, postgresql_where=not_done_rows),
    sa.Index("ix_alerts_recording", "recording"),
    sa.Index("ix_alerts_person", "person"),
    sqlite_autoincrement=True,
)

alert_events = sa.Table(
    "alert_events",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("alert_id", Id, sa.ForeignKey("alerts.id"), nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("what", sa.String(16), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("channel", sa.String(80), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),  # the outbox key
    sa.Column("pending", sa.Boolean, nullable=False),  # sent, and its fate not known yet
    sa.Index("ix_alert_events_what", "what", "at"),
    sa.Index("ix_alert_events_pending", "id", sqlite_where=pending_rows, postgresql_where=pending_rows),
    sqlite_autoincrement=True,
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("finding_id", Id, sa.ForeignKey("findings.id"), index=True),
    sa.Column("arrival_id", Id, sa.ForeignKey("arrivals.id"), index=True),
    sa.Column("channel", sa.String(80), nullable=False),
    sa.Column("lane", sa.String(64), nullable=False, server_default=""),  # whose: one after the other; empty: no order
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(40)),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lease", sa.Integer, nullable=False),
    sa.Column("available_at", Instant, nullable=False),
    sa.Column("leased_until", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("queued_at", Instant, nullable=False),  # when it was last put in the queue: a requeue starts its age anew
    sa.Column("sent_at", Instant),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.CheckConstraint(_one_of(MessageState), name="state"),
    sa.CheckConstraint("state <> 'buried' OR reason IS NOT NULL", name="reason"),
    sa.Index(
        *("ix_outbox_open", "id", "available_at", "channel", "lane"),
        sqlite_where=open_rows,
        postgresql_where=open_rows,
    ),
    sa.Index("ix_outbox_lane", "channel", "lane", "id", sqlite_where=open_rows, postgresql_where=open_rows),
    sqlite_autoincrement=True,
)

scores = sa.Table(
    "scores",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("finding_id", Id, sa.ForeignKey("findings.id"), nullable=False, index=True),
    sa.Column("arrival_id", Id, nullable=False),
    sa.Column("decided_at", Instant, nullable=False),
    sa.Column("recorded_at", Instant, nullable=False),
    sa.Column("person", sa.String(32), nullable=False),  # domain.person.person_key; "": not identified
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("age_years", sa.Double),
    sa.Column("sex", sa.String(8), nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("door", sa.String(16), nullable=False),
    sa.Column("paced", sa.Boolean, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("bundle_sha256", sa.String(64), nullable=False),
    sa.Column("mode", sa.String(8), nullable=False),
    sa.Column("output", sa.String(16), nullable=False),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("level", sa.String(16), nullable=False),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("rule", sa.String(32), nullable=False),  # the override; "": none
    sa.Column("stands", sa.Boolean, nullable=False),  # not superseded by a better copy, nor taken back
    sa.Index("ix_scores_output", "output", "decided_at", "id"),
    sa.Index("ix_scores_person", "person", "recorded_at"),
    sqlite_autoincrement=True,
)

configurations = sa.Table(
    "configurations",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("content", Json, nullable=False),  # the thresholds, every level written out
    sa.Column("texts", Json, nullable=False),  # by file, the block as it was written
    sa.Column("changes", Json, nullable=False),  # in words, against the row before
    sqlite_autoincrement=True,
)

movements = sa.Table(
    "movements",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("arrival_id", Id, sa.ForeignKey("arrivals.id"), nullable=False, index=True),
    sa.Column("event", sa.String(3), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("rank", sa.Text, nullable=False),
    sa.Column("visit", sa.Text),
    sa.Column("authority", sa.Text, nullable=False),  # whose the visit's number is
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("bed", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("began", Instant),
    sa.Column("ended", Instant),
    sqlite_autoincrement=True,
)

moved = sa.Table(
    "moved",
    metadata,
    sa.Column("movement_id", Id, sa.ForeignKey("movements.id"), primary_key=True, autoincrement=False),
    sa.Column("person", sa.String(32), primary_key=True),
    sa.Index("ix_moved_person", "person", "movement_id"),
)

merges = sa.Table(
    "merges",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("arrival_id", Id, sa.ForeignKey("arrivals.id"), nullable=False, index=True),
    sa.Column("old", sa.String(32), nullable=False, index=True),
    sa.Column("new", sa.String(32), nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("rank", sa.Text, nullable=False),
    sa.Column("identifiers", Json, nullable=False),  # of the one who is left
    sqlite_autoincrement=True,
)

retractions = sa.Table(
    "retractions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("arrival_id", Id, sa.ForeignKey("arrivals.id"), nullable=False, index=True),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

flags = sa.Table(
    "flags",
    metadata,
    sa.Column("key", sa.String(32), primary_key=True),
    sa.Column("person", sa.String(32), nullable=False, index=True),
    sa.Column("risk", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("why", sa.String(16)),
    sa.Column("raised_by", sa.String(64), nullable=False),  # the finding
    sa.Column("finding", sa.String(64), nullable=False),  # that spoke last for it
    sa.Column("begun", Instant, nullable=False),
    sa.Column("until", Instant, nullable=False),
    sa.Column("ended", Instant),
    sa.Column("changes", sa.Integer, nullable=False),
    sa.Index("ix_flags_state_until", "state", "until"),
)

watched = sa.Table(
    "watched",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("person", sa.String(32), nullable=False),
    sqlite_autoincrement=True,
)
