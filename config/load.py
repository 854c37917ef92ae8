"""YAML -> Settings, or every mistake at once."""

import difflib
import inspect
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config import document, include
from config.document import Document
from config.mistakes import Fault, InvalidConfiguration, Mistake, Place, faults_of, once, worded
from config.schema import Settings

__all__ = ["EXAMPLE", "InvalidConfiguration", "Mistake", "files", "load", "parse", "placed"]

EXAMPLE = Path(__file__).with_name("ecgd.yaml")


def load(path: Path) -> Settings:
    """Read and validate ``path`` and what it includes. Raises InvalidConfiguration with every mistake found."""
    return parse(document.read(path, str(path)), path.parent)


def parse(text: str, folder: Path = Path()) -> Settings:
    """Validate the text of a configuration file; what it includes is looked for in ``folder``."""
    whole, mistakes = include.put_together(text, folder)
    mistakes += list(whole.twice())
    settings, more = _validated(whole)
    mistakes += more
    if mistakes or settings is None:
        raise InvalidConfiguration(once(mistakes))
    return settings


def files(path: Path) -> tuple[Path, ...]:
    """The file and those it includes, as far as they can be told: what to watch for changes."""
    try:
        return path, *include.files(document.read(path, str(path)), path.parent)
    except InvalidConfiguration:
        return (path,)


def placed(path: Path, mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    """Mistakes that were found on a loaded configuration, each with the file and line where its value stands."""
    whole, _ = include.put_together(document.read(path, str(path)), path.parent)
    return tuple(Mistake(whole.where(_place(each.where)), each.what, each.right) for each in mistakes)


def _place(dotted: str) -> Place:
    steps = dotted.replace("[", ".").replace("]", "").split(".")
    return tuple(int(step) if step.isdigit() else step for step in steps)


def _validated(whole: Document) -> tuple[Settings | None, list[Mistake]]:
    try:
        return Settings.model_validate(whole.content()), []
    except InvalidConfiguration as error:
        return None, list(error.mistakes)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, [mistake for detail in _telling(details) for mistake in _mistakes(detail, whole)]


def _telling(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without lists that are too short only since some of their items are wrong."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail, place in zip(details, places, strict=True)
        if detail["type"] != "too_short" or not any(len(o) > len(place) and o[: len(place)] == place for o in places)
    ]


def _mistakes(detail: ErrorDetails, whole: Document) -> Iterator[Mistake]:
    kind = detail["type"]
    place = whole.written(tuple(detail["loc"]), last=kind in {"missing", "extra_forbidden"})
    faults = faults_of(detail)
    for fault in faults:
        yield _of_section(fault, place, whole)
    if kind == "extra_forbidden":
        yield Mistake(whole.where(place), "unknown key", _nearest(tuple(detail["loc"])))
    elif not faults:
        yield Mistake(whole.where(place), *worded(detail))


def _of_section(fault: Fault, section: Place, whole: Document) -> Mistake:
    others = [whole.where((*section, *other)) for other in fault.others]
    return Mistake(whole.where((*section, *fault.place)), fault.what_with(others), fault.right)


def _nearest(place: Place) -> str:
    models: list[type[BaseModel]] = [Settings]
    for step in place[:-1]:
        having = [model for model in models if step in model.model_fields]
        if having:
            models = list(_inner(having[0].model_fields[str(step)].annotation))
        elif isinstance(step, str):  # the kind of one of several models
            models = [model for model in models if step in _kinds(model)]
    known = list(dict.fromkeys(name for model in models for name in model.model_fields))
    if not known:
        return "remove it"
    close = difflib.get_close_matches(str(place[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    kind = model.model_fields.get("kind")
    return typing.get_args(kind.annotation) if kind else ()


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside ``X | None``, ``tuple[X, ...]`` or ``A | B``."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _inner(inner)
