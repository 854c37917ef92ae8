"""Bring a database up to this program's schema, or refuse one that is ahead of it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from domain.errors import Permanent
from domain.reason import Reason

_LOCK = 0x65636764  # "ecgd"


def upgrade(connection: Connection) -> None:
    """Run what is missing, in the caller's transaction; concurrent starters wait for one another here."""
    if connection.dialect.name == "postgresql":  # SQLite's write lock is already ours
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    here = MigrationContext.configure(connection).get_current_heads()
    known = {script.revision for script in scripts.walk_revisions()}
    if not known.issuperset(here):
        raise Permanent(
            Reason.OUR_FAULT,
            f"the database was made by a newer ecgd (its schema is {', '.join(sorted(here))}, this program knows "
            f"{', '.join(scripts.get_heads())}): install that version or restore the backup taken before the update",
        )
    if set(here) != set(scripts.get_heads()):
        command.upgrade(config, "head")
