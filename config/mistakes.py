"""What is wrong with a configuration: where it stands, what it is, what would be right; never the value itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

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


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake that a section found by looking at several of its values: ``place`` is below the section.

    ``{0}`` and on in ``what`` stand for the places in ``others``, each named with its file and line.
    """

    place: Place
    what: str
    right: str = ""
    others: tuple[Place, ...] = ()

    def what_with(self, others: Iterable[str]) -> str:
        """``what`` with the other places in their words."""
        return self.what.format(*others)


class Faults(ValueError):  # pydantic takes it for its own
    """Several mistakes of one section, for a validator to raise all at once."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{dotted(one.place)}: {one.what_with(map(dotted, one.others))}" for one in faults))
        self.faults = faults


def dotted(place: Place) -> str:
    """A place as a person writes it: ``doors.dicom.peers[0].addresses``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def twice(named: Iterable[tuple[Place, str]]) -> Iterator[Fault]:
    """Names that must differ and do not."""
    first: dict[str, Place] = {}
    for place, name in named:
        if name in first:
            yield Fault(place, f"{name} is also {{0}}", "give each its own", (first[name],))
        first.setdefault(name, place)


def faults_of(detail: ErrorDetails) -> tuple[Fault, ...]:
    """What a section's validator found, empty where pydantic found it."""
    error = detail.get("ctx", {}).get("error")
    return error.faults if isinstance(error, Faults) else ()


def worded(detail: ErrorDetails) -> tuple[str, str]:
    """What is wrong and what would be right, without the value: it may be a secret."""
    kind, context = detail["type"], detail.get("ctx", {})
    for names, say in _WORDS:
        if kind in names:
            return say(context)
    return detail["msg"].removeprefix("Value error, "), ""


def _said(what: str, right: str) -> Callable[[Mapping[str, Any]], tuple[str, str]]:
    return lambda context: (what, right.format(**context))


def _pattern(context: Mapping[str, Any]) -> tuple[str, str]:
    right = next((words for part, words in _PATTERNS if part in context["pattern"]), f"it matches {context['pattern']}")
    return "not written as it must be", right


def _kinds(context: Mapping[str, Any]) -> tuple[str, str]:
    kinds = context.get("expected_tags", "one of its kinds").replace(", ", " or ")
    return f"not of a known {context['discriminator'].strip(chr(39))}", f"write {kinds}"


_PATTERNS = (
    ("webhook|smtp", "write the kind, a colon and the name of a channel or destination, e.g. webhook:pager"),
    ("^[a-z][a-z0-9_-]{0,31}$", "a lower-case letter, then at most 31 of a-z, 0-9, - and _"),
    (r"\x21-\x5b", "visible ASCII letters without \\, none of the first a blank"),
)
_LIST = "write [a, b], or a line that begins with - for each"
_WORDS: tuple[tuple[set[str], Callable[[Mapping[str, Any]], tuple[str, str]]], ...] = (
    ({"missing"}, _said("missing", "it is required here")),
    ({"greater_than_equal"}, _said("too small", "at least {ge:g}")),
    ({"greater_than"}, _said("too small", "more than {gt:g}")),
    ({"less_than_equal"}, _said("too large", "at most {le:g}")),
    ({"less_than"}, _said("too large", "less than {lt:g}")),
    ({"finite_number"}, _said("not a finite number", "write a number")),
    ({"int_type", "int_parsing", "int_from_float"}, _said("not a whole number", "write one without quotes or unit")),
    ({"float_type", "float_parsing"}, _said("not a number", "write one without unit, with a point")),
    ({"bool_type", "bool_parsing"}, _said("neither true nor false", "write true or false")),
    ({"string_type"}, _said("not text", "put it into quotes: YAML reads yes, no, 1.10 and 12:30 as something else")),
    ({"string_too_short"}, _said("too short", "at least {min_length} letter(s)")),
    ({"string_too_long"}, _said("too long", "at most {max_length} letters")),
    ({"string_pattern_mismatch"}, _pattern),
    ({"literal_error", "enum"}, _said("not one of its words", "write {expected}")),
    ({"too_short"}, _said("too few", "at least {min_length}")),
    ({"too_long"}, _said("too many", "at most {max_length}")),
    ({"tuple_type", "list_type", "set_type"}, _said("not a list", _LIST)),
    (
        {"model_type", "dict_type", "model_attributes_type"},
        _said("empty, or not a mapping", "write key: value, or remove it"),
    ),
    ({"url_parsing", "url_type", "url_scheme", "url_syntax_violation"}, _said("not a URL", "e.g. https://host/path")),
    ({"ip_v4_network", "ip_v6_network", "ip_any_network"}, _said("not a network", "e.g. 10.1.0.0/16 or 10.1.2.3/32")),
    ({"date_type", "date_parsing", "date_from_datetime_parsing"}, _said("not a date", "e.g. 2026-12-31")),
    ({"path_type"}, _said("not a path", "write the file's or folder's whole path")),
    ({"union_tag_invalid"}, _kinds),
    ({"union_tag_not_found"}, _kinds),
)


def once(mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    """Each mistake once, in order: of a value that could be of two types, pydantic reports both."""
    return tuple(dict.fromkeys(mistakes))
