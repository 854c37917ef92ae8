"""YAML -> Settings, or every mistake at once."""

import difflib
import inspect
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.schema import Settings

EXAMPLE = Path(__file__).with_name("ecgd.yaml")
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with a configuration: where it stands, what it is, what would be right."""

    where: str
    what: str
    right: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.right}" if self.right else "")


class InvalidConfiguration(Exception):
    """The configuration cannot be used; ``mistakes`` holds all of them."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


def load(path: Path) -> Settings:
    """Read and validate ``path`` whole. Raises InvalidConfiguration with every mistake found."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfiguration((Mistake(str(path), f"cannot be read ({type(error).__name__})"),)) from error
    return parse(text)


def parse(text: str) -> Settings:
    """Validate the text of a configuration file."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidConfiguration((_yaml_mistake(error),)) from error
    twice = tuple(_doubled(root, ()))
    if twice:
        raise InvalidConfiguration(twice)
    try:
        return Settings.model_validate({} if content is None else content)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise InvalidConfiguration(tuple(_mistake(detail, root) for detail in details)) from None


def _yaml_mistake(error: yaml.YAMLError) -> Mistake:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the file"
    return Mistake(where, f"not YAML: {getattr(error, 'problem', None) or 'cannot be parsed'}")


def _doubled(node: yaml.Node | None, place: Place) -> typing.Iterator[Mistake]:
    """Keys written twice in one mapping: YAML takes the last silently, a threshold must not."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _doubled(item, (*place, index))
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        here = (*place, key.value)
        if key.value in seen:
            yield Mistake(f"{_dotted(here)} (line {key.start_mark.line + 1})", "written twice", "keep one")
        seen.add(key.value)
        yield from _doubled(value, here)


def _mistake(detail: ErrorDetails, root: yaml.Node | None) -> Mistake:
    place = tuple(detail["loc"])
    where = _dotted(place) or "the file"
    line = _line(root, place)
    if line:
        where += f" (line {line})"
    if detail["type"] == "extra_forbidden":
        return Mistake(where, "unknown key", _nearest(place))
    if detail["type"] == "missing":
        return Mistake(where, "missing", "it is required here")
    return Mistake(where, detail["msg"].removeprefix("Value error, "))


def _dotted(place: Place) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def _line(node: yaml.Node | None, place: Place) -> int | None:
    """The line on which the deepest known part of ``place`` stands."""
    line = None
    for step in place:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def _nearest(place: Place) -> str:
    model: Any = Settings
    for step in place[:-1]:
        model = _inner(model if isinstance(step, int) else model.model_fields[step].annotation)
        if model is None:
            return "remove it"
    known = list(model.model_fields)
    close = difflib.get_close_matches(str(place[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The model inside ``X | None`` or ``tuple[X, ...]``."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(_inner, typing.get_args(annotation)) if m is not None), None)
