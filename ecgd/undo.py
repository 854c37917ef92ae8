"""Putting earlier thresholds back into the file: the service takes them as it takes any edit.

The file stays the only owner of what is in force; undoing is an edit of it, with everything around the block as it was
and a copy of the file as it stood.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from config.blocks import with_block
from config.load import files
from ecgd.reload import name_of
from store.configurations import Configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One file as it shall be."""

    path: Path
    before: str
    after: str


def target(kept: Sequence[Configuration], written: str | None, number: int | None) -> Configuration | None:
    """The row to go back to: ``number``'s, else the latest with other thresholds than are ``written`` in the file.

    ``written``: their hash, ``None`` where the file is wrong; then the last good ones. ``kept``: the latest first.
    """
    if number is not None:
        return next((one for one in kept if one.id == number), None)
    return next((one for one in kept if one.sha256 != written), None)


def edits(path: Path, back_to: Configuration) -> tuple[Edit, ...]:
    """Each file whose block differs from what it was; raise ``OSError`` where one cannot be read."""
    found = []
    for file in files(path):
        before = file.read_text("utf-8")
        after = with_block(before, back_to.texts.get(name_of(file, path)))
        if after != before:
            found.append(Edit(path=file, before=before, after=after))
    return tuple(found)


def missing(path: Path, back_to: Configuration) -> tuple[str, ...]:
    """Files that held some of these thresholds and are no longer part of the configuration."""
    there = {name_of(file, path) for file in files(path)}
    return tuple(name for name, text in back_to.texts.items() if text is not None and name not in there)


def write(edit: Edit, now: datetime) -> Path:
    """Write it whole or not at all, through a link to where the file is; returns the copy of what was there."""
    real = edit.path.resolve()
    copy = real.with_name(f"{real.name}.{now:%Y%m%dT%H%M%SZ}.bak")
    shutil.copy2(real, copy)
    new = real.with_name(f".{real.name}.new")
    try:
        with new.open("w", encoding="utf-8", newline="") as file:
            file.write(edit.after)
            file.flush()
            os.fsync(file.fileno())
        shutil.copystat(real, new)
        owner = real.stat()
        if (new.stat().st_uid, new.stat().st_gid) != (owner.st_uid, owner.st_gid):
            os.chown(new, owner.st_uid, owner.st_gid)
        new.replace(real)
    finally:
        new.unlink(missing_ok=True)
    return copy
