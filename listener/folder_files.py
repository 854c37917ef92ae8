"""Files in a drop folder: opened without following, read only when whole, moved without overwriting or losing any."""

import errno
import fcntl
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from domain.arrival import Format

_IMAGE_END, _JPEG_END = b"IEND\xaeB`\x82", b"\xff\xd9"  # PNG: the last chunk and its checksum; JPEG: end of image
IMAGE_END_WITHIN = 4096  # writers append a few bytes of their own
PDF_TRAILER_WITHIN = 2048  # Acrobat looks for %%EOF in the last 1,024 bytes (ISO 32000-1 annex H.3.4.4); be generous
_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".download", ".swp", ".lock", "~")


class Look(NamedTuple):
    """What a file looked like; two equal looks mean that nobody wrote in between."""

    device: int
    inode: int
    size: int
    modified_ns: int


def left_alone(name: str) -> bool:
    """Tell whether a name says that its writer has not finished with it, or that it is not for us."""
    return name.startswith((".", "~")) or name.lower().endswith(_UNFINISHED)


@contextmanager
def opened(path: Path) -> Iterator[int | None]:
    """Open a regular file; ``None`` for a link, a directory, a pipe, or what is gone. Raises ``PermissionError``."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise
    except OSError:  # ELOOP: a link; ENOENT: gone; ENXIO: a socket
        yield None
        return
    try:
        yield fd if stat.S_ISREG(os.fstat(fd).st_mode) else None
    finally:
        os.close(fd)


def look(fd: int) -> Look:
    """Look at an open file."""
    facts = os.fstat(fd)
    return Look(facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)


def being_written(fd: int) -> bool:
    """Tell whether a process on this machine has the file open for writing; ``False`` where that cannot be known.

    A read lease is granted only where nobody does (fcntl(2), F_SETLEASE); it takes the file's owner or CAP_LEASE, and
    a file system that has leases. It is given back at once; SIGURG, which nobody minds, stands in for SIGIO, which
    would end the process if a writer came in that instant.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def read_all(fd: int, size: int) -> bytes:
    """Read what was ``size`` bytes at the last look; fewer when it shrank."""
    pieces, left = [], size
    while left and (piece := os.pread(fd, min(left, 1 << 20), size - left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def whole(found: Format, payload: bytes) -> bool:
    """Tell whether a file's end is there: a PDF's trailer, the last tag of XML, SCP's stated length, IEND, EOI."""
    if found is Format.PDF:
        return b"%%EOF" in payload[-PDF_TRAILER_WITHIN:]
    if found is Format.XML:
        return payload.rstrip(b"\0 \t\r\n").endswith(b">")
    if found is Format.IMAGE:
        return _IMAGE_END in payload[-IMAGE_END_WITHIN:] or _JPEG_END in payload[-IMAGE_END_WITHIN:]
    if found is Format.SCP:
        return len(payload) >= int.from_bytes(payload[2:6], "little")
    return True


def move(path: Path, target: Path, fd: int, seen: Look) -> bool:
    """Move what was read from ``path`` to ``target``, a free name; ``False`` when it was replaced meanwhile.

    Only the caller, under its lock, writes into the target's folder. A file written to or exchanged since it was read
    goes back to be read again.
    """
    os.rename(path, target)
    facts = os.lstat(target)
    if (facts.st_dev, facts.st_ino) != seen[:2] or look(fd) != seen:
        os.rename(target, path)
        return False
    sync(target.parent)
    sync(path.parent)
    return True


def free(folder: Path, name: str, tag: str, *, note: bytes | None = None) -> Path:
    """Find a name nobody has in ``folder``, and where a ``note`` is to stand beside it, none but the same one."""
    stem, suffix = os.path.splitext(name)
    candidates = (f"{stem[:200]}-{tag}{f'-{n}' if n else ''}{suffix[:20]}" for n in range(1_000_000))
    target = folder / name
    while os.path.lexists(target) or (note is not None and _holds_other(note_of(target), note)):
        target = folder / next(candidates)
    return target


def note_of(path: Path) -> Path:
    """Name the note that goes with a file."""
    name = path.name if len(os.fsencode(path.name)) <= 240 else path.name[:50]
    return path.with_name(f"{name}.reason.txt")


def write_durably(path: Path, content: bytes) -> None:
    """Write a whole small file, its bytes and its name on the disk when this returns."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


def _holds_other(path: Path, content: bytes) -> bool:
    """Tell whether something else stands there; a note that was cut short by a kill is no loss."""
    if not os.path.lexists(path):
        return False
    with opened(path) as fd:
        return fd is None or not content.startswith(read_all(fd, len(content) + 1))


def sync(folder: Path) -> None:
    """Make the folder's names durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
