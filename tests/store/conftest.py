"""An inbox and the two queues on each kind of database."""

import pytest

from store.inbox import Inbox
from store.jobs import Jobs
from store.outbox import Outbox


def same_but_for_spaces(_format, kept, new):
    return kept.strip() == new.strip()


@pytest.fixture
def inbox(database, store_settings, clock):
    opened = Inbox(database, same_content=same_but_for_spaces, settings=store_settings, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def accept(inbox):
    return lambda arrival: inbox.accept(arrival).result(30)


@pytest.fixture
def jobs(database, store_settings, clock):
    opened = Jobs(database, store_settings, clock)
    yield opened
    opened.close()


@pytest.fixture
def outbox(database, store_settings, clock):
    opened = Outbox(database, store_settings, clock)
    yield opened
    opened.close()
