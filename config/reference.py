"""The schema for editors, and the reference page for people: both made from what loads the configuration."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.schema import Settings

SCHEMA = Path(__file__).with_name("ecgd.schema.json")
PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
Node = dict[str, Any]
_HEAD = """# Configuration reference

Made from the code by `ecgd config reference > docs/configuration.md`; do not edit. `config/ecgd.yaml` has the same
keys with comments to read from top to bottom, and names `ecgd.schema.json`, with which an editor completes and checks
while one types. `ecgd check` reports every mistake at once, with file and line.

Times are in s where a key ends in `_s`, sizes in MiB where it ends in `_mib`; probabilities are 0 to 1. What is not
written has its default; **required** stands where there is none, and – where leaving it out means that there is no such
thing. A path that does not begin with `/` is taken from the service's working folder. A *secret* is never written in
the file: the key says where it is, as a file (`/etc/ecgd/secrets/ehr`), as a credential of systemd's
(`${CREDENTIALS_DIRECTORY}/ehr`), or as a variable of the environment (`env:ECGD_EHR_SECRET`).
"""
_BOUNDS = {
    "minimum": ">= {}",
    "exclusiveMinimum": "> {}",
    "maximum": "<= {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} letter(s)",
    "maxLength": "at most {} letters",
    "minItems": "at least {}",
    "pattern": "matches `{}`",
}
_FORMATS = {
    "path": "path",
    "uri": "URL",
    "date": "date",
    "ipv4network": "network",
    "ipv6network": "network",
    "secret": "secret",
}


def schema() -> str:
    """JSON Schema (draft 2020-12) of ecgd.yaml."""
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "ecgd.yaml", **_made()}
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def page() -> str:
    """A table a section, in Markdown."""
    whole = _made()
    return "\n".join([_HEAD, *_section("", whole, whole)]).rstrip() + "\n"


def without_meaning() -> list[str]:
    """The keys that nothing is said of: there must be none."""
    whole = _made()
    return [
        f"{title}.{key}".removeprefix(".")
        for title, node in _objects("", whole, whole)
        for key, value in node.get("properties", {}).items()
        if not _meaning(value, whole)
    ]


def _made() -> Node:
    return Settings.model_json_schema()


def _section(title: str, node: Node, whole: Node) -> Iterator[str]:
    for place, found in _objects(title, node, whole):
        yield f"## {place or 'The whole'}\n"
        yield f"{_flat(found.get('description', ''))}\n"
        yield "| key | type | default | bounds | meaning |\n| --- | --- | --- | --- | --- |"
        required = found.get("required", ())
        for key, value in found["properties"].items():
            default = "**required**" if key in required else _default(value)
            cells = (f"`{key}`", _type(value, whole), default, _bounds(value, whole), _meaning(value, whole))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield ""


def _objects(place: str, node: Node, whole: Node) -> Iterator[tuple[str, Node]]:
    """A section and those inside it, from top to bottom."""
    yield place, node
    for key, value in node.get("properties", {}).items():
        here = f"{place}.{key}".removeprefix(".")
        inner = list(_inside(value, whole))
        several = len({each["title"] for each, _ in inner}) > 1
        for each, listed in inner:
            kind = each["properties"].get("kind", {}).get("const") if several else None
            yield from _objects(f"{here}{'[]' if listed else ''}{f' (kind: {kind})' if kind else ''}", each, whole)


def _inside(node: Node, whole: Node, listed: bool = False) -> Iterator[tuple[Node, bool]]:
    """The sections that a value may be, and whether as items of a list."""
    found = _resolved(node, whole)
    if "properties" in found:
        yield found, listed
    for each in (*found.get("anyOf", ()), *found.get("oneOf", ())):
        yield from _inside(each, whole, listed)
    if "items" in found:
        yield from _inside(found["items"], whole, True)


def _resolved(node: Node, whole: Node) -> Node:
    name = node.get("$ref", "").rpartition("/")[2]
    return whole["$defs"][name] if name else node


def _type(node: Node, whole: Node) -> str:
    found = _resolved(node, whole)
    if "properties" in found:
        return "section"
    if "enum" in found:
        return ", ".join(f"`{each}`" for each in found["enum"])
    if "const" in found:
        return f"`{found['const']}`"
    if any(name in found for name in ("anyOf", "oneOf")):
        kinds = [_type(each, whole) for each in (*found.get("anyOf", ()), *found.get("oneOf", ()))]
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "nothing"))
    if found.get("type") == "array":
        return f"list of {_type(found.get('items', {}), whole)}".replace("list of section", "list of sections")
    if found.get("type") == "object":
        return "names and their values"
    if found.get("format") in _FORMATS:
        return _FORMATS[found["format"]]
    words = {
        "string": "text",
        "number": "number",
        "integer": "whole number",
        "boolean": "true, false",
        "null": "nothing",
    }
    return words[found.get("type", "string")]


def _default(node: Node) -> str:
    value = node.get("default")
    if value is None:
        return "–"
    if isinstance(value, dict):
        return "as below" if value else "none"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`" if value else "none"
    return f"`{json.dumps(value, ensure_ascii=False)}`" if value == "" or not isinstance(value, str) else f"`{value}`"


def _bounds(node: Node, whole: Node) -> str:
    found = _resolved(node, whole)
    if "properties" in found:
        return ""
    said = [words.format(found[name]) for name, words in _BOUNDS.items() if name in found]
    said += [_bounds(each, whole) for each in (*found.get("anyOf", ()), *found.get("oneOf", ()))]
    if "items" in found:
        said += [f"each {inner}" for inner in [_bounds(found["items"], whole)] if inner]
    return ", ".join(dict.fromkeys(filter(None, said)))


def _meaning(node: Node, whole: Node) -> str:
    if "description" in node:
        return _flat(node["description"])
    for each, _ in _inside(node, whole):
        return _flat(each.get("description", "")).split(". ")[0].removesuffix(".")
    return ""


def _flat(text: str) -> str:
    return " ".join(text.replace("``", "`").split())
