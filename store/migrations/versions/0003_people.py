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


def upgrade() -> None:
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
    op.create_index(op.f("ix_scores_decided_at"), "scores", ["decided_at"])
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
