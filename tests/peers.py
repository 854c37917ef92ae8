"""Programs that the tests talk to: found, or skipped where a person works without them, or a failure in CI."""

import atexit
import functools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest


def missing(what: str) -> None:
    """Skip, or fail where everything has to be installed."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is not installed, and CI must have it", pytrace=False)
    pytest.skip(f"{what} is not installed")


def require(program: str, *folders: Path) -> Path:
    """Find a program in the folders, then on the PATH."""
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])
    found = shutil.which(program, path=path)
    if found is None:
        missing(program)
    return Path(str(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgresql:
    """A private cluster on a Unix socket and loopback, of a user that is not root."""

    home: Path
    initdb: Path
    user: str | None  # whom to become, None when we are somebody already
    port: int

    @property
    def data(self) -> Path:
        return self.home / "data"

    def url(self, database: str) -> str:
        """SQLAlchemy's URL over the Unix socket."""
        return f"postgresql+psycopg://ecgd@/{database}?host={self.home}&port={self.port}"

    def tcp_url(self, database: str) -> str:
        """The same over loopback, where a password is asked for."""
        return f"postgresql+psycopg://ecgd@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.home}"
        self._ctl("start", "-o", f"{options} -c fsync=off -c max_connections=200", "-l", str(self.home / "log"))

    def stop(self) -> None:
        self._ctl("stop", "-m", "immediate")

    def sql(self, words: str) -> str:
        psql = self.initdb.with_name("psql")
        command = [psql, "-h", self.home, "-p", str(self.port), "-U", "ecgd", "-d", "postgres", "-Atqc", words]
        return self._run(command)

    def _ctl(self, verb: str, *more: str) -> None:
        self._run([self.initdb.with_name("pg_ctl"), verb, "-w", "-s", "-D", self.data, *more])

    def _run(self, command: Sequence[str | Path]) -> str:
        done = subprocess.run(
            command, user=self.user, check=True, cwd=self.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if command[0].name == "psql" else subprocess.DEVNULL,  # a server keeps a pipe open
            text=True, timeout=120, env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        return (done.stdout or "").strip()


PASSWORD = "correct horse"


@functools.cache
def postgresql() -> Postgresql:
    """Start the session's cluster at the first call; it goes with the process."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    initdb = require("initdb", *folders)
    home = Path(tempfile.mkdtemp(prefix="ecgd-pg-"))
    cluster = Postgresql(home=home, initdb=initdb, user=_become(home), port=_free_port())
    secret = home / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    made = ["-D", cluster.data, "-U", "ecgd", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    cluster._run([initdb, *made, "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={secret}"])
    cluster.start()
    atexit.register(_remove, cluster, os.getpid())
    return cluster


def _remove(cluster: Postgresql, owner: int) -> None:
    if os.getpid() == owner:  # not in a forked child
        if (cluster.data / "postmaster.pid").exists():
            cluster.stop()
        shutil.rmtree(cluster.home, ignore_errors=True)


def _become(home: Path) -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(home, user.pw_uid, user.pw_gid)
        return name
    missing("a user other than root for PostgreSQL")
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
