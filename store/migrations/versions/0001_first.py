"""arrivals, jobs, findings, outbox"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
OPEN = sa.text("state IN ('waiting', 'leased')")


def upgrade() -> None:
    op.create_table(
        "arrivals",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_arrivals")),
        sa.UniqueConstraint("key", name=op.f("uq_arrivals_key")),
        sqlite_autoincrement=True,
    )
    if op.get_context().dialect.name == "postgresql":  # ECGs are compressed or hardly compressible: do not try
        op.execute("ALTER TABLE arrivals ALTER COLUMN payload SET STORAGE EXTERNAL")
    op.create_table(
        "jobs",
        sa.Column("arrival_id", ID, autoincrement=False, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(40)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("lease", sa.Integer, nullable=False),
        sa.Column("available_at", sa.BigInteger, nullable=False),
        sa.Column("leased_until", sa.BigInteger),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("timings", JSON),
        sa.PrimaryKeyConstraint("arrival_id", name=op.f("pk_jobs")),
        sa.ForeignKeyConstraint(["arrival_id"], ["arrivals.id"], name=op.f("fk_jobs_arrival_id")),
        sa.CheckConstraint(
            "state IN ('waiting', 'leased', 'scored', 'abstained', 'ignored', 'quarantined')",
            name=op.f("ck_jobs_state"),
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'leased', 'scored') OR reason IS NOT NULL", name=op.f("ck_jobs_reason")
        ),
    )
    op.create_index("ix_jobs_open", "jobs", ["arrival_id", "available_at"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "findings",
        sa.Column("id", ID, nullable=False),
        sa.Column("arrival_id", ID, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("lease", sa.Integer, nullable=False),
        sa.Column("severity", sa.Integer),
        sa.Column("assessments", sa.Integer, nullable=False),
        sa.Column("abstentions", sa.Integer, nullable=False),
        sa.Column("messages", sa.Integer, nullable=False),
        sa.Column("thresholds_sha256", sa.String(64), nullable=False),
        sa.Column("decided_at", sa.BigInteger, nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
        sa.UniqueConstraint("key", name=op.f("uq_findings_key")),
        sa.ForeignKeyConstraint(["arrival_id"], ["arrivals.id"], name=op.f("fk_findings_arrival_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_findings_arrival_id"), "findings", ["arrival_id"])
    op.create_table(
        "outbox",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("finding_id", ID),
        sa.Column("arrival_id", ID),
        sa.Column("channel", sa.String(80), nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(40)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("lease", sa.Integer, nullable=False),
        sa.Column("available_at", sa.BigInteger, nullable=False),
        sa.Column("leased_until", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("queued_at", sa.BigInteger, nullable=False),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name=op.f("fk_outbox_finding_id")),
        sa.ForeignKeyConstraint(["arrival_id"], ["arrivals.id"], name=op.f("fk_outbox_arrival_id")),
        sa.CheckConstraint("state IN ('waiting', 'leased', 'sent', 'buried')", name=op.f("ck_outbox_state")),
        sa.CheckConstraint("state <> 'buried' OR reason IS NOT NULL", name=op.f("ck_outbox_reason")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_outbox_finding_id"), "outbox", ["finding_id"])
    op.create_index(op.f("ix_outbox_arrival_id"), "outbox", ["arrival_id"])
    op.create_index(
        "ix_outbox_open", "outbox", ["id", "available_at", "channel"], sqlite_where=OPEN, postgresql_where=OPEN
    )
