"""What every command shares: exit codes, the configuration, and ends in a line.

Exit codes: 0 done, 1 found wanting, 2 usage, 3 input refused, 4 configuration invalid.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from config.blocks import block
from config.load import InvalidConfiguration, load, parse
from config.schema import Settings
from domain.errors import Permanent, Problem, Transient

if TYPE_CHECKING:  # SQLAlchemy is loaded by who opens a store, not by every command
    from store.database import Database

WANTING, USAGE, REFUSED, INVALID = 1, 2, 3, 4
DEFAULT = Path("/etc/ecgd/ecgd.yaml")

Config = Annotated[Path, typer.Option("--config", "-c", envvar="ECGD_CONFIG", help="The configuration (YAML).")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
Files = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, readable=True)]


def end(code: int, *lines: str) -> NoReturn:
    """Say why on stderr and end."""
    for line in lines:
        print(line, file=sys.stderr)
    raise typer.Exit(code)


def settings_of(path: Path) -> Settings:
    """Load the configuration; with mistakes, name each and end."""
    try:
        return load(path)
    except InvalidConfiguration as error:
        end(INVALID, f"{path}: {len(error.mistakes)} mistake(s)", *map(str, error.mistakes))


def settings_or_defaults(path: Path) -> Settings:
    """For what runs without a daemon: the defaults where no configuration is installed."""
    return Settings() if path == DEFAULT and not path.exists() else settings_of(path)


@contextmanager
def store_of(path: Path) -> Iterator["Database"]:
    """The service's store; also with a configuration that is wrong elsewhere: who mends it needs the store."""
    try:
        settings = load(path)
    except InvalidConfiguration as error:
        settings = _where_the_store_is(path, error)
    with opened(settings) as database:
        yield database


@contextmanager
def opened(settings: Settings) -> Iterator["Database"]:
    """The service's store, migrated; one that cannot be used ends the command."""
    from ecgd import operate

    try:
        with operate.opened(settings) as database:
            yield database
    except Problem as error:
        end(INVALID, f"the store cannot be used: {error.detail or error.reason}")


def _where_the_store_is(path: Path, wrong: InvalidConfiguration) -> Settings:
    """Only the two sections that say so."""
    try:
        text = path.read_text("utf-8")
        return parse("".join(block(text, section) or "" for section in ("state_dir", "store")))
    except (OSError, UnicodeDecodeError, InvalidConfiguration):
        end(INVALID, f"{path}: {len(wrong.mistakes)} mistake(s)", *map(str, wrong.mistakes))


@contextmanager
def starting() -> Iterator[None]:
    """A role that cannot start says why in one line and ends with 4, or with 1 where another try may help."""
    try:
        yield
    except Permanent as error:
        end(INVALID, f"cannot run: {error.detail or error.reason}")
    except Transient as error:  # systemd starts it again
        end(WANTING, f"cannot run now: {error.detail or error.reason}")


def moment(text: str, now: datetime) -> datetime:
    """When ``30d`` or ``12h`` ago was, or a date began in UTC; with anything else the command ends."""
    if ago := re.fullmatch(r"(\d{1,5})([dh])", text):
        return now - (timedelta(days=int(ago[1])) if ago[2] == "d" else timedelta(hours=int(ago[1])))
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        end(USAGE, "--since: write 30d, 12h or a date such as 2026-05-01")
