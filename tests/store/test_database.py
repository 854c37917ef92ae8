import re
import stat
import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from config import schema
from domain.errors import Permanent, Transient
from store.database import migrate, open_database
from store.tables import metadata


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def schema_of(connection):
    """Every table's and index's own words, whatever their order, as PostgreSQL and SQLite keep them."""
    if connection.dialect.name == "sqlite":
        query = "SELECT sql FROM sqlite_master WHERE name NOT LIKE '%alembic%' AND sql IS NOT NULL"
    else:
        query = (
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version' "
            "UNION SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid <> 0 AND conrelid::regclass::text NOT LIKE '%alembic%' "
            "AND connamespace = 'public'::regnamespace"
        )
    return {tuple(sorted(re.findall(r"[^\s(),]+", words))) for words in connection.execute(sa.text(query)).scalars()}


def test_the_migrations_lead_to_the_tables_in_the_code(database, new_store, tmp_path):
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        migrated = schema_of(connection)
    fresh = open_database(new_store(), tmp_path / "fresh")
    with fresh.write() as connection:
        metadata.create_all(connection)
    with fresh.read() as connection:
        assert schema_of(connection) == migrated
    fresh.close()


def test_migrating_again_changes_nothing(database):
    migrate(database)
    migrate(database)


def test_several_may_start_at_once(new_store, state_dir):
    settings = new_store()
    failures = []

    def start():
        try:
            opened = open_database(settings, state_dir)
            migrate(opened)
            opened.close()
        except (Transient, Permanent) as problem:
            failures.append(problem)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_database_newer_than_the_program_is_refused_in_clear_words(database):
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Permanent, match=r"made by a newer ecgd \(its schema is 9999"):
        migrate(database)


def test_a_relative_path_is_relative_to_the_state_directory(tmp_path):
    opened = open_database(schema.Store(url="sqlite:///sub/it.db"), tmp_path)
    migrate(opened)
    opened.close()
    assert (tmp_path / "sub" / "it.db").is_file()


def test_an_absolute_path_is_taken_as_it_is(tmp_path):
    opened = open_database(schema.Store(url=f"sqlite:///{tmp_path}/elsewhere/it.db"), tmp_path / "state")
    migrate(opened)
    opened.close()
    assert (tmp_path / "elsewhere" / "it.db").is_file()


def test_only_its_owner_may_read_it(tmp_path):
    opened = open_database(schema.Store(), tmp_path / "state")
    migrate(opened)
    with opened.read() as connection:
        connection.exec_driver_sql("SELECT 1 FROM arrivals")
        for name in ("ecgd.db", "ecgd.db-wal", "ecgd.db-shm"):
            assert mode(tmp_path / "state" / name) == 0o600
    assert mode(tmp_path / "state") == 0o700
    assert mode(tmp_path / "state" / "wake") == 0o700
    opened.close()


def test_every_connection_is_durable_and_keeps_references(tmp_path):
    opened = open_database(schema.Store(), tmp_path)
    with opened.read() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "page_size")
        }
    opened.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "page_size": 16384}


def test_a_sound_file_passes_its_check(database):
    assert database.integrity() == ()


def test_a_refused_statement_never_quotes_values(database):
    with pytest.raises(Permanent) as caught, database.write() as connection:
        connection.execute(sa.text("INSERT INTO jobs (arrival_id, state) VALUES (1, :state)"), {"state": "PAT-7"})
    assert "PAT-7" not in str(caught.value)
    assert caught.value.__cause__ is None
