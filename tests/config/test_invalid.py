"""Each wrong configuration beside the exact words that it gets: ``NAME.yaml`` and ``NAME.txt``."""

from pathlib import Path

import pytest

from config.load import InvalidConfiguration, load, parse

CASES = sorted(Path(__file__).parent.glob("invalid/*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_every_mistake_is_reported_with_its_place_and_what_would_be_right(path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        load(path)
    assert [str(mistake) for mistake in caught.value.mistakes] == path.with_suffix(".txt").read_text().splitlines()


def test_there_are_many_and_none_without_its_words() -> None:
    assert len(CASES) >= 40
    assert {path.stem for path in CASES} == {path.stem for path in Path(__file__).parent.glob("invalid/*.txt")}


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_no_message_quotes_a_secret(path: Path) -> None:
    assert "hunter2" not in path.with_suffix(".txt").read_text()


@pytest.mark.parametrize(
    "text",
    ["a: &a {b: *a}", "store: &a [*a]", "&a [*a]", "? {a: b}\n: c", "? *x\n: y", "\ufeffstore: {}\n1: 2", "~: 1", "\0"],
)
def test_what_no_person_would_write_is_a_mistake_too_and_no_crash(text: str) -> None:
    with pytest.raises(InvalidConfiguration):
        parse(text)
