import random
import sys

import sqlalchemy as sa

from store.reconcile import reconcile
from store.tables import arrivals


def test_whatever_was_acknowledged_survives_kill(database, store_settings, state_dir, run):
    acknowledged = set()
    for attempt in range(3):
        command = [sys.executable, "-m", "tests.store.sender", store_settings.url, str(state_dir), str(attempt)]
        process = run(*command)
        for _ in range(random.randrange(1, 60)):
            acknowledged.add(process.stdout.readline().strip())
        process.kill()
        said = process.stdout.read()
        acknowledged.update(said[: said.rfind("\n") + 1].split())
    with database.read() as connection:
        kept = {
            row.key: row for row in connection.execute(sa.select(arrivals.c.key, arrivals.c.payload, arrivals.c.size))
        }
    assert acknowledged <= set(kept)
    assert len(acknowledged) >= 3
    assert all(len(row.payload) == row.size and row.payload.startswith(key.encode()) for key, row in kept.items())
    waiting = reconcile(database)  # nobody works here, and nothing else is to be said of any
    assert all("(not settled yet)" in line for line in waiting.discrepancies)
    assert waiting.totals.jobs == {"waiting": len(kept)}
    assert database.integrity() == ()
