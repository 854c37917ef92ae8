"""Fixtures that several rooms share."""

import itertools
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import ecgd  # noqa: F401  # threads as in the program, before numpy is imported
from config import schema
from store.database import Database, migrate, open_database
from tests import peers

_number = itertools.count()


class Clock:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.now = datetime(2025, 3, 30, 0, 59, 59, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer)],
)
def new_store(request: pytest.FixtureRequest) -> Callable[..., schema.Store]:
    """Settings of a database that nobody has used, of each kind."""

    def make(**more: object) -> schema.Store:
        url = "sqlite:///ecgd.db" if request.param == "sqlite" else _new_postgresql()
        return schema.Store.model_validate({"url": url, "free_disk_mib": 0, **more})

    return make


def _new_postgresql() -> str:
    cluster = peers.postgresql()
    name = f"t{next(_number)}"
    cluster.sql(f"CREATE DATABASE {name}")
    return cluster.url(name)


@pytest.fixture
def store_settings(new_store: Callable[..., schema.Store]) -> schema.Store:
    return new_store(lease_s=60, max_attempts=3)


@pytest.fixture
def database(store_settings: schema.Store, state_dir: Path) -> Iterator[Database]:
    """An empty, migrated database of each kind."""
    opened = open_database(store_settings, state_dir)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def run() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start programs that do not outlive the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*command: str, **more: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more)  # type: ignore[call-overload]
        started.append(process)
        return process  # type: ignore[no-any-return]

    yield start
    for process in started:
        process.kill()
        process.communicate()
