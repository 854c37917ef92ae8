"""what results and alerts need to know of people: one migration, as none of it has been released"""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
