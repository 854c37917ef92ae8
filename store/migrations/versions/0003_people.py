"""what results and alerts need to know of people: one migration, as none of it has been released"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


OPEN = sa.text("state IN ('waiting', 'leased')")


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", ID, nullable=False),
        sa.Column("finding", sa.String(64), nullable=False),
        sa.Column("person", sa.String(32), nullable=False),
        sa.Column("recording", sa.String(40), nullable=False),
        sa.Column("risk", sa.String(16), nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("stand_in", sa.Boolean, nullable=False),
        sa.Column("said", JSON, nullable=False),
        sa.Column("raised_at", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("closed_at", sa.BigInteger),
        sa.Column("reason", sa.String(16)),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("finding", "risk", name=op.f("uq_alerts_finding_risk")),
        sa.CheckConstraint("closed_at IS NULL OR reason IS NOT NULL", name=op.f("ck_alerts_reason")),
        sqlite_autoincrement=True,
    )
    not_done, pending = sa.text("NOT done"), sa.text("pending")
    op.create_index("ix_alerts_not_done", "alerts", ["id"], sqlite_where=not_done, postgresql_where=not_done)
    op.create_index(op.f("ix_alerts_raised_at"), "alerts", ["raised_at"])
    for column in ("recording", "person"):
        op.create_index(f"ix_alerts_{column}", "alerts", [column])
    op.create_table(
        "alert_events",
        sa.Column("id", ID, nullable=False),
        sa.Column("alert_id", ID, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("channel", sa.String(80), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("pending", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_events")),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_alert_events_alert_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_alert_events_alert_id"), "alert_events", ["alert_id"])
    op.create_index("ix_alert_events_what", "alert_events", ["what", "at"])
    op.create_index("ix_alert_events_pending", "alert_events", ["id"], sqlite_where=pending, postgresql_where=pending)


def upgrade() -> None:
    _alerts()
    _lanes()
    _census()
    _thresholds()


def _thresholds() -> None:
    op.create_table(
        "scores",
        sa.Column("id", ID, nullable=False),
        sa.Column("finding_id", ID, nullable=False),
        sa.Column("arrival_id", ID, nullable=False),
        sa.Column("decided_at", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("person", sa.String(32), nullable=False),
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
        sa.Column("rule", sa.String(32), nullable=False),
        sa.Column("stands", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scores")),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name=op.f("fk_scores_finding_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_scores_finding_id"), "scores", ["finding_id"])
    op.create_index("ix_scores_output", "scores", ["output", "decided_at", "id"])
    op.create_index("ix_scores_person", "scores", ["person", "recorded_at"])
    op.create_table(
        "configurations",
        sa.Column("id", ID, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.Column("texts", JSON, nullable=False),
        sa.Column("changes", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_configurations")),
        sqlite_autoincrement=True,
    )


def _census() -> None:
    op.add_column("findings", sa.Column("person", sa.String(32)))
    op.create_index(op.f("ix_findings_person"), "findings", ["person"])
    op.add_column("jobs", sa.Column("turn", sa.Integer, nullable=False, server_default="0"))
    op.drop_index("ix_jobs_open", "jobs")
    columns = ["turn", "arrival_id", "available_at"]
    op.create_index("ix_jobs_open", "jobs", columns, sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "movements",
        sa.Column("id", ID, nullable=False),
        sa.Column("arrival_id", ID, nullable=False),
        sa.Column("event", sa.String(3), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("rank", sa.Text, nullable=False),
        sa.Column("visit", sa.Text),
        sa.Column("authority", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("bed", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("began", sa.BigInteger),
        sa.Column("ended", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_movements")),
        sa.ForeignKeyConstraint(["arrival_id"], ["arrivals.id"], name=op.f("fk_movements_arrival_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_movements_arrival_id"), "movements", ["arrival_id"])
    op.create_table(
        "moved",
        sa.Column("movement_id", ID, autoincrement=False, nullable=False),
        sa.Column("person", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("movement_id", "person", name=op.f("pk_moved")),
        sa.ForeignKeyConstraint(["movement_id"], ["movements.id"], name=op.f("fk_moved_movement_id")),
    )
    op.create_index("ix_moved_person", "moved", ["person", "movement_id"])
    op.create_table(
        "merges",
        sa.Column("id", ID, nullable=False),
        sa.Column("arrival_id", ID, nullable=False),
        sa.Column("old", sa.String(32), nullable=False),
        sa.Column("new", sa.String(32), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("rank", sa.Text, nullable=False),
        sa.Column("identifiers", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merges")),
        sa.ForeignKeyConstraint(["arrival_id"], ["arrivals.id"], name=op.f("fk_merges_arrival_id")),
        sqlite_autoincrement=True,
    )
    for column in ("arrival_id", "old", "new"):
        op.create_index(op.f(f"ix_merges_{column}"), "merges", [column])
    op.create_table(
        "retractions",
        sa.Column("id", ID, nullable=False),
        sa.Column("arrival_id", ID, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retractions")),
        sa.ForeignKeyConstraint(["arrival_id"], ["arrivals.id"], name=op.f("fk_retractions_arrival_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_retractions_arrival_id"), "retractions", ["arrival_id"])
    op.create_table(
        "flags",
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("person", sa.String(32), nullable=False),
        sa.Column("risk", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("why", sa.String(16)),
        sa.Column("raised_by", sa.String(64), nullable=False),
        sa.Column("finding", sa.String(64), nullable=False),
        sa.Column("begun", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.Column("changes", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_flags")),
    )
    op.create_index(op.f("ix_flags_person"), "flags", ["person"])
    op.create_index("ix_flags_state_until", "flags", ["state", "until"])
    op.create_table(
        "watched",
        sa.Column("id", ID, nullable=False),
        sa.Column("person", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watched")),
        sqlite_autoincrement=True,
    )


def _lanes() -> None:
    """What waits already is in no order: it was queued by a program that kept none."""
    op.add_column("outbox", sa.Column("lane", sa.String(64), nullable=False, server_default=""))
    op.drop_index("ix_outbox_open", "outbox")
    for name, columns in (
        ("ix_outbox_open", ["id", "available_at", "channel", "lane"]),
        ("ix_outbox_lane", ["channel", "lane", "id"]),
    ):
        op.create_index(name, "outbox", columns, sqlite_where=OPEN, postgresql_where=OPEN)
