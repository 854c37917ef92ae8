from pathlib import Path

import pytest

from config.load import EXAMPLE, InvalidConfiguration, load, parse
from config.schema import Settings


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
