"""``ecgd check``: everything that would go wrong at night, found by day, all at once."""

import os
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from config.load import Mistake
from config.schema import ModelBundle, Settings, Tls
from config.secrets import file_of, is_elsewhere, read_secret, secrets_of
from delivery.alerting.link import key_of
from domain.errors import Problem
from domain.finding import Status
from domain.mode import Mode
from ecgd import check_destinations

_EXPIRY_WARNING = timedelta(days=30)


def mistakes(settings: Settings) -> tuple[Mistake, ...]:
    """What is wrong with ``settings`` on this machine; a service with none of these starts."""
    return tuple(mistake for look in _LOOKS for mistake in look(settings))


def _doors(settings: Settings) -> Iterator[Mistake]:
    doors = settings.doors
    if not (doors.dicom or doors.hl7 or doors.folder):
        yield Mistake("doors", "no door is open", "write dicom, hl7 or folder")
    if doors.dicom and not doors.dicom.peers:
        yield Mistake("doors.dicom.peers", "nobody may call", "list the calling AE titles with their addresses")
    if doors.dicom and not (doors.dicom.tls and doors.dicom.tls.client_ca):
        for number, peer in enumerate(doors.dicom.peers):
            if peer.certificate_cn:
                yield Mistake(
                    f"doors.dicom.peers[{number}].certificate_cn",
                    "cannot be checked without TLS and client certificates",
                    "write doors.dicom.tls with client_ca",
                )


def _ports(settings: Settings) -> Iterator[Mistake]:
    wanted = [("doors.dicom.port", d.bind, d.port) for d in [settings.doors.dicom] if d]
    wanted += [("doors.hl7.port", d.bind, d.port) for d in [settings.doors.hl7] if d]
    wanted += [("alerts.acknowledge.port", a.bind, a.port) for a in [settings.alerts.acknowledge] if a]
    health = settings.health
    wanted += [
        (f"health.{name}", "127.0.0.1", port)
        for name, port in (
            ("listen_port", health.listen_port),
            ("work_port", health.work_port),
            ("deliver_port", health.deliver_port),
        )
        if port
    ]
    seen: dict[int, str] = {}
    for where, bind, port in wanted:
        if port and port in seen:
            yield Mistake(where, f"port {port} is also {seen[port]}", "give each its own")
        seen[port] = where
        if (why := _cannot_bind(bind, port)) is not None:
            yield Mistake(
                where,
                f"{bind}:{port} cannot be used: {why}",
                "choose a free port, or stop what uses it (a running ecgd does)",
            )


def _cannot_bind(bind: str, port: int) -> str | None:
    try:
        family = socket.AF_INET6 if ip_address(bind).version == 6 else socket.AF_INET
    except ValueError:
        return "not an IP address of this machine"
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            return os.strerror(error.errno) if error.errno else "not usable"
    return None


def _certificates(settings: Settings) -> Iterator[Mistake]:
    for where, tls in (
        ("doors.dicom.tls", settings.doors.dicom and settings.doors.dicom.tls),
        ("doors.hl7.tls", settings.doors.hl7 and settings.doors.hl7.tls),
    ):
        if tls:
            yield from _tls(where, tls)
    for number, destination in enumerate(settings.destinations):
        if destination.certificate and destination.key:
            yield from _pair(f"destinations[{number}]", destination.certificate, destination.key)
        if destination.ca:
            yield from _authority(f"destinations[{number}].ca", destination.ca)


def _tls(where: str, tls: Tls) -> Iterator[Mistake]:
    yield from _pair(where, tls.certificate, tls.key)
    if tls.client_ca:
        yield from _authority(f"{where}.client_ca", tls.client_ca)


def _pair(where: str, certificate: Path, key: Path) -> Iterator[Mistake]:
    missing = [
        Mistake(f"{where}.{n}", "cannot be read", f"no such readable file: {p}")
        for n, p in (("certificate", certificate), ("key", key))
        if not os.access(p, os.R_OK)
    ]
    yield from missing
    if missing:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError:
        yield Mistake(
            where, "certificate and key do not work together", "PEM files of one pair, the key without password"
        )
        return
    yield from _expiry(f"{where}.certificate", certificate)


def _expiry(where: str, certificate: Path) -> Iterator[Mistake]:
    decoded = ssl._ssl._test_decode_cert(str(certificate))  # type: ignore[attr-defined]
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(decoded["notAfter"]), UTC)
    if ends < datetime.now(UTC):
        yield Mistake(where, f"expired on {ends:%Y-%m-%d}", "renew it")
    elif ends < datetime.now(UTC) + _EXPIRY_WARNING:
        yield Mistake(where, f"expires on {ends:%Y-%m-%d}", "renew it now")


def _authority(where: str, path: Path) -> Iterator[Mistake]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    except (OSError, ssl.SSLError):
        yield Mistake(where, "no certificate can be read from it", "a PEM file of the authorities' certificates")


def _folders(settings: Settings) -> Iterator[Mistake]:
    yield from _writable("state_dir", settings.state_dir)
    if settings.doors.folder:
        yield from _writable("doors.folder.path", settings.doors.folder.path)


def _writable(where: str, folder: Path) -> Iterator[Mistake]:
    if not folder.is_dir():
        yield Mistake(where, f"no such folder: {folder}", "make it, owned by the service's user")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield Mistake(where, f"not writable by this user: {folder}", "give it to the service's user")


def _secrets(settings: Settings) -> Iterator[Mistake]:
    for where, source in secrets_of(settings):
        if is_elsewhere(source):
            continue  # a credential of systemd's: only the unit has it
        try:
            read_secret(source)
        except OSError as error:
            yield Mistake(where, "cannot be read", f"{error.strerror}: {error.filename}")
            continue
        if not str(source).startswith("env:") and file_of(source).stat().st_mode & 0o007:
            yield Mistake(where, f"open to everybody: {source}", "chmod o= it")


def _links(settings: Settings) -> Iterator[Mistake]:
    page = settings.alerts.acknowledge
    if page is None or is_elsewhere(page.key_file):
        return
    try:
        key_of(read_secret(page.key_file))
    except ValueError:
        yield Mistake("alerts.acknowledge.key_file", "no key", "at least 32 random bytes: openssl rand -hex 32")
    except OSError:
        return  # said with the other secrets


def _bundles(settings: Settings) -> Iterator[Mistake]:
    from inference import bundle

    stand_ins = tuple(ModelBundle(path=path) for path in bundle.STAND_INS)
    hashes, names = dict[str, str](), dict[str, str]()
    for number, (folder, mode) in enumerate((one.path, one.mode) for one in settings.models.bundles or stand_ins):
        where = f"models.bundles[{number}]" if settings.models.bundles else "models.bundles"
        faults = bundle.check(folder)
        for fault in faults:
            yield Mistake(where, fault)
        if faults:
            continue
        loaded = bundle.load(folder)
        if hashes.setdefault(loaded.sha256, where) != where:
            yield Mistake(where, f"the same bundle as {hashes[loaded.sha256]}", "keep one")
        elif mode is not Mode.SHADOW and names.setdefault(loaded.facts.name, where) != where:
            right = "keep one; a shadow may have the name of another"
            yield Mistake(where, f"called {loaded.facts.name}, as {names[loaded.facts.name]} is", right)
        stand_in = loaded.facts.status is Status.STAND_IN and not settings.models.allow_stand_in
        if stand_in and mode is Mode.ALERT and _alerts(settings):
            yield Mistake(
                where,
                f"{loaded.facts.name} is a stand-in and means nothing clinically, yet alerts are configured",
                "use a site-validated bundle, or, for tests only, write models.allow_stand_in: true",
            )


def _alerts(settings: Settings) -> bool:
    return bool(settings.alerts.all_routes)


def _store(settings: Settings) -> Iterator[Mistake]:
    from store.database import open_database

    path = settings.store.url.removeprefix("sqlite:///")
    if path != settings.store.url and not (settings.state_dir / path).exists():
        return  # made at the first start, by the service's user and owned by it
    try:
        database = open_database(settings.store, settings.state_dir)
        try:
            for fault in database.integrity():
                yield Mistake("store.url", f"the database file is damaged: {fault}", "restore it from a backup")
        finally:
            database.close()
    except Problem as error:
        yield Mistake("store.url", f"the database cannot be used: {error.detail or error.reason}")


def _thresholds(settings: Settings) -> Iterator[Mistake]:
    """An override whose time is over is in the file and does nothing; the service runs with it."""
    today = datetime.now(UTC).date()
    for number, one in enumerate(settings.thresholds.overrides):
        if one.until is not None and one.until < today:
            where = f"thresholds.overrides[{number}].until"
            yield Mistake(
                where, f"{one.name} ended on {one.until} and no longer applies", "remove it, or give it a later end"
            )


_LOOKS: Iterable[Callable[[Settings], Iterator[Mistake]]] = (
    _thresholds,
    _doors,
    _ports,
    _certificates,
    _folders,
    _secrets,
    _links,
    _bundles,
    _store,
    check_destinations.mistakes,
)
