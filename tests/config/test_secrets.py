"""One rule for every secret: a file, a credential of systemd's, or a variable of the environment."""

from pathlib import Path

import pytest

from config.load import parse
from config.secrets import file_of, is_elsewhere, read_secret, secrets_of

CREDENTIAL = Path("${CREDENTIALS_DIRECTORY}/ehr")


def test_a_secret_is_read_from_its_file_again_each_time(tmp_path: Path) -> None:
    source = tmp_path / "ehr"
    for said in ("one", "two"):
        source.write_text(f"{said}\n")
        assert read_secret(source) == said


def test_a_credential_is_read_from_the_folder_that_systemd_names(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "ehr").write_text("token")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert (read_secret(CREDENTIAL), file_of(CREDENTIAL), is_elsewhere(CREDENTIAL)) == (
        "token",
        tmp_path / "ehr",
        False,
    )
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert is_elsewhere(CREDENTIAL)
    with pytest.raises(FileNotFoundError, match="CREDENTIALS_DIRECTORY"):
        read_secret(CREDENTIAL)


def test_a_secret_is_read_from_a_variable_of_ours(monkeypatch) -> None:
    monkeypatch.setenv("ECGD_EHR_SECRET", "token")
    assert read_secret(Path("env:ECGD_EHR_SECRET")) == "token"
    with pytest.raises(FileNotFoundError, match="no such variable"):
        read_secret(Path("env:ECGD_OTHER"))


def test_every_secret_of_a_configuration_is_found_with_its_place() -> None:
    settings = parse("""
store: {password_file: "env:ECGD_DATABASE"}
alerts:
  webhooks: [{name: a, url: "http://x", secret_file: /a}, {name: b, url: "http://x"}]
destinations: [{base_url: "http://ehr", auth: bearer, secret_file: "${CREDENTIALS_DIRECTORY}/ehr"}]
""")
    assert dict(secrets_of(settings)) == {
        "store.password_file": Path("env:ECGD_DATABASE"),
        "destinations[0].secret_file": CREDENTIAL,
        "alerts.webhooks[0].secret_file": Path("/a"),
    }
