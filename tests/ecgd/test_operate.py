from contextlib import closing

from config.schema import Store
from ecgd import operate
from store.database import Database
from store.inbox import Inbox
from store.jobs import Jobs
from tests.conftest import Clock
from tests.store.values import abstained, arrival, finding, scored


def _settled(database: Database, clock: Clock) -> None:
    """Arrival 1 is scored in part, of arrival 2 nothing."""
    with closing(Inbox(database, same_content=lambda *_: False, settings=Store(), clock=clock)) as inbox:
        for key in ("a", "b"):
            inbox.accept(arrival(key)).result(10)
    with closing(Jobs(database, Store(), clock)) as jobs:
        for settlement in (scored(finding(1, "1" * 32)), abstained(finding(2, "2" * 32, scored=False))):
            job = jobs.claim()
            assert job is not None
            assert jobs.settle(job, settlement)


def test_an_arrival_that_no_model_answered_for_is_not_called_normal(database: Database, clock: Clock) -> None:
    _settled(database, clock)
    shown = operate.in_words(operate.trail(database, 2) or {})
    assert "not scored" in shown
    assert "normal" not in shown


def test_every_answer_is_shown_with_its_models_status(database: Database, clock: Clock) -> None:
    _settled(database, clock)
    shown = operate.in_words(operate.trail(database, 1) or {}).splitlines()
    (arrest,) = [line for line in shown if "arrest" in line]
    (potassium,) = [line for line in shown if "potassium" in line]
    for words in ("status: stand-in", "level: high", "value: 0.31", "unit: 1"):
        assert words in arrest
    for words in ("status: stand-in", "reason: lead_flat"):
        assert words in potassium
