# ruff: noqa: E501 - the exact messages
from pathlib import Path

import pytest

from config.load import EXAMPLE, InvalidConfiguration, load, parse
from config.schema import Settings

INVALID = [
    ("stor: {}", ["stor (line 1): unknown key; did you mean store?"]),
    ("doors:\n  hl7: {port: 70000}", ["doors.hl7.port (line 2): Input should be less than or equal to 65535"]),
    (
        "doors:\n  dicom:\n    peers:\n      - {ae_title: CART1}",
        ["doors.dicom.peers[0].addresses (line 4): missing; it is required here"],
    ),
    (
        "doors: {dicom: {peers: [{ae_title: A_TITLE_TOO_LONG_BY_FAR, addresses: [10.0.0.0/8]}]}}",
        ["doors.dicom.peers[0].ae_title (line 1): String should have at most 16 characters"],
    ),
    (
        "thresholds: {arrest: {moderate: 0.5, high: 0.2}}",
        ["thresholds.arrest (line 1): moderate must not exceed high"],
    ),
    (
        "thresholds: {potassium: {low: 5.6}}",
        ["thresholds.potassium (line 1): severe_low < low < high < severe_high must hold"],
    ),
    (
        "thresholds: {potassium: {severe_low: 1.4, severe_high: 7.6}}",  # no estimate would ever reach them
        [
            "thresholds.potassium.severe_low (line 1): Input should be greater than or equal to 1.5",
            "thresholds.potassium.severe_high (line 1): Input should be less than or equal to 7.5",
        ],
    ),
    ("thresholds: {arrest: {high: 20}}", ["thresholds.arrest.high (line 1): Input should be less than or equal to 1"]),
    (
        "reading: {timezone: Berlin}",
        ["reading.timezone (line 1): not a time zone of the IANA database; write e.g. Europe/Berlin or UTC"],
    ),
    (
        "reading: {hl7_senders: [{charset: klingon}]}",
        [
            "reading.hl7_senders[0].charset (line 1): not a character set that is known; write e.g. utf-8, latin-1 or gb18030"
        ],
    ),
    ("store: {url: 'mysql://db/ecgd'}", ["store.url (line 1): neither sqlite:///FILE nor postgresql://USER@HOST/NAME"]),
    (
        "store: {url: 'postgresql://ecgd:secret@db/ecgd'}",
        ["store.url (line 1): holds a password; put it into store.password_file"],
    ),
    (
        "destinations: [{base_url: 'http://ehr/fhir', auth: bearer}]",
        ["destinations[0] (line 1): auth: bearer needs secret_file"],
    ),
    (
        "destinations: [{base_url: 'ehr/fhir'}]",
        ["destinations[0].base_url (line 1): Input should be a valid URL, relative URL without a base"],
    ),
    ("store:\n  lease_s: 5\nstore:\n  lease_s: 6", ["store (line 3): written twice; keep one"]),
    ("doors: [", ["line 1, column 9: not YAML: expected the node content, but found '<stream end>'"]),
    ("- a", ["the file: Input should be a valid dictionary or instance of Settings"]),
    (
        "alerts: {webhooks: [{name: a, url: 'http://x'}], smtp: [{name: a, host: h, sender: s, recipients: [r]}]}",
        ["alerts (line 1): channel names must differ"],
    ),
]


@pytest.mark.parametrize(("text", "said"), INVALID, ids=[said[0].split(" ")[0] for _, said in INVALID])
def test_a_mistake_is_reported_with_its_place_and_what_would_be_right(text: str, said: list[str]) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        parse(text)
    assert [str(mistake) for mistake in caught.value.mistakes] == said


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        parse("\n".join(["reading: {timezone: X}", "store: {lease_s: 0}", "modles: {}"]))
    assert len(caught.value.mistakes) == 3


def test_an_error_never_quotes_a_secret() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        parse("store: {url: 'postgresql://ecgd:hunter2@db/ecgd'}")
    assert "hunter2" not in str(caught.value)


def test_the_commented_example_loads_and_names_every_setting() -> None:
    settings = load(EXAMPLE)
    text = EXAMPLE.read_text()
    missing = [name for name in _names(Settings) if f"{name}:" not in text]
    assert settings.doors.dicom is not None
    assert missing == []


def test_the_example_shows_the_defaults() -> None:
    shown, default = load(EXAMPLE), Settings()
    for part in ("store", "models", "thresholds", "delivery", "health", "logging"):
        assert getattr(shown, part) == getattr(default, part), part


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "ecgd.yaml").write_text("# nothing\n")
    assert load(tmp_path / "ecgd.yaml") == Settings()


def test_a_missing_file_is_one_mistake(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="cannot be read"):
        load(tmp_path / "none.yaml")


def _names(model: type, seen: set[type] | None = None) -> list[str]:
    import typing

    from pydantic import BaseModel

    names: list[str] = []
    for name, field in model.model_fields.items():  # type: ignore[attr-defined]
        names.append(name)
        for inner in (field.annotation, *typing.get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                names += _names(inner)
    return names
