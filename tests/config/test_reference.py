"""What is committed for editors and people is what the code says."""

import json

import pytest
import yaml

from config import reference
from config.load import EXAMPLE
from config.schema import Settings

CURRENT = "run: make configuration"


def test_the_committed_schema_is_current() -> None:
    assert reference.SCHEMA.read_text("utf-8") == reference.schema(), CURRENT


def test_the_committed_page_is_current() -> None:
    assert reference.PAGE.read_text("utf-8") == reference.page(), CURRENT


def test_every_key_says_what_it_is() -> None:
    assert reference.without_meaning() == []


def test_every_key_of_the_commented_example_is_on_the_page() -> None:
    page = reference.page()
    for section, content in yaml.safe_load(EXAMPLE.read_text("utf-8")).items():
        assert f"| `{section}` |" in page
        for key in content if isinstance(content, dict) else ():
            assert f"| `{key}` |" in page, f"{section}.{key}"


def test_every_section_is_on_the_page_with_its_keys_types_bounds_and_defaults() -> None:
    page = reference.page()
    assert "## thresholds.overrides[].when.age\n" in page
    assert "## destinations[] (kind: fhir)\n" in page
    assert "| `lease_s` | number | `60` | >= 1, <= 3600 |" in page
    assert "| `password_file` | secret | – |" in page
    assert "| `mode` | `alert`, `report`, `shadow` | `alert` |" in page
    assert "| `path` | path | **required** |" in page


def test_the_example_names_the_schema_for_editors() -> None:
    first = EXAMPLE.read_text("utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={reference.SCHEMA.name}"
    assert reference.SCHEMA.parent == EXAMPLE.parent


@pytest.mark.parametrize("key", sorted(Settings.model_fields))
def test_the_schema_knows_every_section_and_nothing_else(key: str) -> None:
    made = json.loads(reference.schema())
    assert key in made["properties"]
    assert made["additionalProperties"] is False
