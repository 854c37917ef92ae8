"""recordings, marks, attachments; findings that another took the place of"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.add_column("findings", sa.Column("superseded_by", sa.String(64)))
    op.create_table(
        "recordings",
        sa.Column("id", ID, nullable=False),
        sa.Column("arrival_id", ID, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("ecg", sa.String(40), nullable=False),
        sa.Column("identified", sa.Boolean, nullable=False),
        sa.Column("named", sa.Boolean, nullable=False),
        sa.Column("acquired_at", sa.BigInteger),
        sa.Column("clock", sa.BigInteger),
        sa.Column("source", sa.Integer, nullable=False),
        sa.Column("quarters", sa.Integer, nullable=False),
        sa.Column("said", JSON),
        sa.Column("print", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
        sa.ForeignKeyConstraint(["arrival_id"], ["arrivals.id"], name=op.f("fk_recordings_arrival_id")),
        sa.UniqueConstraint("arrival_id", "part", name=op.f("uq_recordings_arrival_id_part")),
        sqlite_autoincrement=True,
    )
    for column in ("ecg", "acquired_at", "clock"):
        op.create_index(op.f(f"ix_recordings_{column}"), "recordings", [column])
    unnamed = sa.text("NOT named")
    op.create_index("ix_recordings_unnamed", "recordings", ["id"], sqlite_where=unnamed, postgresql_where=unnamed)
    op.create_table(
        "marks",
        sa.Column("recording_id", ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("recording_id", "kind", "digest", name=op.f("pk_marks")),
        sa.ForeignKeyConstraint(["recording_id"], ["recordings.id"], name=op.f("fk_marks_recording_id")),
    )
    op.create_index("ix_marks_digest", "marks", ["digest"])
    op.create_table(
        "attachments",
        sa.Column("id", ID, nullable=False),
        sa.Column("arrival_id", ID, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("identifiers", JSON, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
        sa.ForeignKeyConstraint(["arrival_id"], ["arrivals.id"], name=op.f("fk_attachments_arrival_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_attachments_arrival_id"), "attachments", ["arrival_id"])
