"""Other files, each of which may hold one stated part: a unit can own its thresholds, and nothing else."""

import glob
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from config import document
from config.base import Strict
from config.document import Document
from config.mistakes import InvalidConfiguration, Mistake
from config.thresholds import Pattern, like


class Include(Strict):
    """Files that may add to one list; a bare text is ``files``."""

    files: str = Field(min_length=1, description="a file or a pattern, from this file's folder on, e.g. conf.d/*.yaml")
    holds: Literal["thresholds.overrides", "doors.dicom.peers", "reading.hl7_senders"] = Field(
        "thresholds.overrides", description="the list that they may add to; what is written in this file comes first"
    )
    units: tuple[Pattern, ...] = Field(
        (), description="the only units that their overrides may be for (* for any letters); empty: any"
    )


def _bare(value: Any) -> Any:
    return {"files": value} if isinstance(value, str) else value


def _one(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Included = Annotated[Include, BeforeValidator(_bare, json_schema_input_type=str | Include)]
Includes = Annotated[
    tuple[Included, ...],
    BeforeValidator(
        lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | tuple[Included, ...]
    ),
]
_INCLUDES: TypeAdapter[tuple[Include, ...]] = TypeAdapter(Includes)
_MAIN = "ecgd.yaml"  # in marks only: a mistake in the main file names its line, one in another its name too


def put_together(text: str, folder: Path) -> tuple[Document, list[Mistake]]:
    """The main file with what it includes at the ends of its lists, and what is wrong with the included files.

    Raises InvalidConfiguration where the main file is no YAML.
    """
    main = document.compose(text, _MAIN, _MAIN)
    root, mistakes = main.root, list[Mistake]()
    taken: dict[Path, str] = {}
    for number, wanted in enumerate(_wanted(main)):
        where = main.where(("include", number))
        found = _matching(wanted, folder)
        if not found and not glob.has_magic(wanted.files):
            mistakes.append(Mistake(where, f"no such file: {wanted.files}", "make it, or remove it here"))
        for path in found:
            if path in taken:
                mistakes.append(Mistake(where, f"{path.name} is included twice", f"{taken[path]} has it too"))
                continue
            taken[path] = where
            items, wrong = _held(path, folder, wanted)
            mistakes += wrong
            root = document.with_items(root, tuple(wanted.holds.split(".")), items) if items else root
    return Document(name=_MAIN, root=root), mistakes


def files(text: str, folder: Path) -> tuple[Path, ...]:
    """The files that are included. Raises InvalidConfiguration where the main file is no YAML."""
    return tuple(path for wanted in _wanted_by(text) for path in _matching(wanted, folder))


@lru_cache(8)
def _wanted_by(text: str) -> tuple[Include, ...]:
    """Once for each text: who watches the files asks every second."""
    return _wanted(document.compose(text, _MAIN, _MAIN))


def _wanted(main: Document) -> tuple[Include, ...]:
    """What is to be included; none where that is written wrongly, which is told with the other mistakes."""
    node = document.child(main.root, "include")
    try:
        return _INCLUDES.validate_python(Document(main.name, node).content()) if node else ()
    except (ValidationError, InvalidConfiguration):
        return ()


def _matching(wanted: Include, folder: Path) -> list[Path]:
    return [folder / name for name in sorted(glob.glob(wanted.files, root_dir=folder)) if (folder / name).is_file()]


def _held(path: Path, folder: Path, wanted: Include) -> tuple[list[yaml.Node], list[Mistake]]:
    """The items that a file adds, and what is wrong with it beside their values."""
    name = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
    try:
        found = document.compose(document.read(path, name), name, _MAIN)
    except InvalidConfiguration as error:
        return [], list(error.mistakes)
    mistakes = [*Document(_MAIN, found.root).twice(), *_strange(found.root, wanted.holds.split("."), name, wanted)]
    node = found.root
    for key in wanted.holds.split("."):
        node = document.child(node, key)
    if node is not None and not isinstance(node, yaml.SequenceNode):
        mistakes.append(Mistake(f"{wanted.holds} ({document.line_of(node.start_mark, _MAIN)})", "not a list"))
    items = list(node.value) if isinstance(node, yaml.SequenceNode) else []
    return items, mistakes + [mistake for item in items for mistake in _foreign(item, wanted)]


def _strange(root: yaml.Node | None, path: list[str], name: str, wanted: Include) -> Iterator[Mistake]:
    """Keys beside the one that the file may hold."""
    node = root
    if root is not None and not isinstance(root, yaml.MappingNode):
        yield Mistake(f"{name} line {root.start_mark.line + 1}", "not a mapping", f"it may hold {wanted.holds} only")
    for depth, wanted_key in enumerate(path):
        if not isinstance(node, yaml.MappingNode):
            return
        for key, _ in node.value:
            if key.value != wanted_key:
                where = ".".join([*path[:depth], str(key.value)])
                line = document.line_of(key.start_mark, _MAIN)
                yield Mistake(f"{where} ({line})", "does not belong here", f"{name} may hold {wanted.holds} only")
        node = document.child(node, wanted_key)


def _foreign(item: yaml.Node, wanted: Include) -> Iterator[Mistake]:
    """An override for a unit that is not the file's."""
    if not wanted.units:
        return
    unit = document.child(document.child(item, "when"), "unit")
    named = [unit] if isinstance(unit, yaml.ScalarNode) else unit.value if isinstance(unit, yaml.SequenceNode) else []
    line = document.line_of((unit or item).start_mark, _MAIN)
    if not named:
        yield Mistake(f"thresholds.overrides ({line})", "for no unit", f"write when.unit: {' or '.join(wanted.units)}")
    for each in named:
        if not any(like(str(each.value), pattern) for pattern in wanted.units):
            right = f"this file may change {', '.join(wanted.units)} only"
            yield Mistake(f"thresholds.overrides ({line})", "for a unit that is another's", right)
