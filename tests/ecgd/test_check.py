import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.schema import Settings
from ecgd.check import mistakes
from inference.bundle import STAND_INS

QUIET = {"listen_port": 0, "work_port": 0, "deliver_port": 0}


def _settings(tmp_path: Path, **parts: Any) -> Settings:
    return Settings.model_validate({"state_dir": tmp_path, "health": QUIET, "doors": {"hl7": {"port": 0}}, **parts})


def _said(settings: Settings) -> list[str]:
    return [str(mistake) for mistake in mistakes(settings)]


def _certificate(folder: Path, *, ends: datetime) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ecgd.test")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=400))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "server.crt", folder / "server.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_configuration_that_works_has_no_mistake(tmp_path: Path) -> None:
    assert _said(_settings(tmp_path)) == []


def test_a_taken_port_is_named(tmp_path: Path, taken: int) -> None:
    (said,) = _said(_settings(tmp_path, doors={"hl7": {"port": taken}}))
    assert said.startswith(f"doors.hl7.port: 127.0.0.1:{taken} cannot be used: Address already in use")


def test_the_same_port_twice_is_named(tmp_path: Path) -> None:
    doors = {"hl7": {"port": 40404}, "dicom": {"port": 40404, "peers": [{"ae_title": "A", "addresses": ["::1/128"]}]}}
    assert any("port 40404 is also doors.dicom.port" in said for said in _said(_settings(tmp_path, doors=doors)))


def test_an_override_whose_time_is_over_is_named(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    overrides = [
        {"name": name, "when": {"unit": name}, "arrest": {"high": 0.4}, "until": str(today - timedelta(days=days))}
        for name, days in (("over", 1), ("last-day", 0))
    ]
    (said,) = _said(_settings(tmp_path, thresholds={"overrides": overrides}))
    assert said.startswith("thresholds.overrides[0].until: over ended on ")


def test_no_open_door_and_missing_folders_are_named_together(tmp_path: Path) -> None:
    said = _said(_settings(tmp_path / "gone", doors={}))
    assert [line.split(":")[0] for line in said] == ["doors", "state_dir"]


def test_an_expired_certificate_is_named_with_its_date(tmp_path: Path) -> None:
    crt, key = _certificate(tmp_path, ends=datetime(2020, 5, 17, tzinfo=UTC))
    doors = {"hl7": {"port": 0, "tls": {"certificate": crt, "key": key}}}
    assert _said(_settings(tmp_path, doors=doors)) == ["doors.hl7.tls.certificate: expired on 2020-05-17; renew it"]


def test_a_key_that_is_not_the_certificates_is_named(tmp_path: Path) -> None:
    crt, _ = _certificate(tmp_path, ends=datetime.now(UTC) + timedelta(days=300))
    (tmp_path / "other").mkdir()
    _, other = _certificate(tmp_path / "other", ends=datetime.now(UTC) + timedelta(days=300))
    doors = {"hl7": {"port": 0, "tls": {"certificate": crt, "key": other}}}
    (said,) = _said(_settings(tmp_path, doors=doors))
    assert "do not work together" in said


def test_a_secret_open_to_everybody_is_named(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("x")
    secret.chmod(0o644)
    fhir = {"base_url": "http://ehr/fhir", "auth": "bearer", "secret_file": secret}
    (said,) = _said(_settings(tmp_path, destinations=[fhir]))
    assert said.startswith("destinations[0].secret_file: open to everybody")


def test_alerting_on_stand_ins_is_refused_unless_allowed(tmp_path: Path) -> None:
    alerts = {"webhooks": [{"name": "pager", "url": "http://pager/"}]}
    said = _said(_settings(tmp_path, alerts=alerts))
    assert len(said) == 2
    assert all("stand-in" in line for line in said)
    assert _said(_settings(tmp_path, alerts=alerts, models={"allow_stand_in": True})) == []


def test_a_folder_that_is_no_bundle_is_named(tmp_path: Path) -> None:
    said = _said(_settings(tmp_path, models={"bundles": [tmp_path]}))
    assert said
    assert all(line.startswith("models.bundles[0]: ") for line in said)


def test_a_bundle_given_twice_and_two_told_of_one_name_are_named_but_a_shadow_may_share_a_name(tmp_path: Path) -> None:
    other = Path(shutil.copytree(STAND_INS[0], tmp_path / "other"))
    (other / "card.md").write_text("another version")
    first = str(STAND_INS[0])
    assert _said(_settings(tmp_path, models={"bundles": [first, first]})) == [
        "models.bundles[1]: the same bundle as models.bundles[0]; keep one"
    ]
    (said,) = _said(_settings(tmp_path, models={"bundles": [first, {"path": other, "mode": "report"}]}))
    assert said.startswith("models.bundles[1]: called eianet-stand-in, as models.bundles[0] is")
    assert _said(_settings(tmp_path, models={"bundles": [first, {"path": other, "mode": "shadow"}]})) == []


def test_only_models_that_alert_must_not_be_stand_ins(tmp_path: Path) -> None:
    alerts = {"webhooks": [{"name": "pager", "url": "http://pager/"}]}
    bundles = [{"path": STAND_INS[0], "mode": "report"}]
    assert _said(_settings(tmp_path, alerts=alerts, models={"bundles": bundles})) == []


def test_a_secret_is_looked_for_where_the_configuration_says_it_is(tmp_path: Path, monkeypatch) -> None:
    fhir = {"base_url": "http://ehr/fhir", "auth": "bearer", "secret_file": "env:ECGD_EHR_SECRET"}
    monkeypatch.delenv("ECGD_EHR_SECRET", raising=False)
    (said,) = _said(_settings(tmp_path, destinations=[fhir]))
    assert said.startswith("destinations[0].secret_file: cannot be read; no such variable in the environment")
    monkeypatch.setenv("ECGD_EHR_SECRET", "token")
    assert _said(_settings(tmp_path, destinations=[fhir])) == []
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    only_the_unit_has_it = fhir | {"secret_file": "${CREDENTIALS_DIRECTORY}/ehr"}
    assert _said(_settings(tmp_path, destinations=[only_the_unit_has_it])) == []
