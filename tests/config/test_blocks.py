import pytest

from config.blocks import block, differences, with_block

FILE = """# ours
state_dir: /var/lib/ecgd

thresholds:   # read docs
  arrest:
    high: 0.2   # a person

# doors below
doors:
  folder: {path: /in}
"""
BLOCK = "thresholds:   # read docs\n  arrest:\n    high: 0.2   # a person\n"


def test_a_block_is_its_lines_without_what_belongs_to_the_next() -> None:
    assert block(FILE) == BLOCK


def test_putting_the_same_block_back_changes_nothing() -> None:
    assert with_block(FILE, block(FILE)) == FILE


def test_another_block_leaves_everything_around_it_as_it_was() -> None:
    found = with_block(FILE, "thresholds: {arrest: {high: 0.3}}\n")
    assert found == FILE.replace(BLOCK, "thresholds: {arrest: {high: 0.3}}\n")


def test_a_block_is_found_in_a_file_that_is_no_yaml() -> None:
    broken = FILE.replace("high: 0.2 ", "high: [0.2 ")
    assert with_block(broken, BLOCK) == FILE


@pytest.mark.parametrize(
    ("text", "new", "whole"),
    [
        ("a: 1\n", BLOCK, "a: 1\n" + BLOCK),
        ("a: 1", BLOCK, "a: 1\n" + BLOCK),
        ("", BLOCK, BLOCK),
        ("a: 1\n" + BLOCK, None, "a: 1\n"),
        (BLOCK + "b: 2\n", "thresholds: {}", "thresholds: {}\nb: 2\n"),
        ("'thresholds' : {}\nb: 2\n", BLOCK, BLOCK + "b: 2\n"),
    ],
)
def test_a_block_is_added_taken_out_or_ends_its_line(text: str, new: str | None, whole: str) -> None:
    assert with_block(text, new) == whole


def test_a_longer_key_is_another() -> None:
    assert block("thresholds_old: 1\n  thresholds: 2\n") is None


def test_differences_name_each_value_and_the_members_of_a_list_by_name() -> None:
    ed = {"name": "ed", "when": {"unit": ["ED"]}, "arrest": {"high": 0.3}, "until": None}
    old = {"arrest": {"high": 0.2, "moderate": 0.05}, "overrides": [ed]}
    new = {
        "arrest": {"high": 0.25, "moderate": 0.05},
        "overrides": [{"name": "icu", "when": {"unit": ["ICU"]}}, ed | {"arrest": {"high": 0.4}}],
    }
    assert differences(old, new) == (
        "arrest.high: 0.2 -> 0.25",
        "overrides.order: ed -> icu, ed",
        "overrides.ed.arrest.high: 0.3 -> 0.4",
        "overrides.icu.when.unit: none -> ICU",
    )


def test_nothing_differs_from_itself() -> None:
    assert differences({"a": [1], "b": {}}, {"b": {}, "a": [1]}) == ()
