"""YAML as nodes, which know the file and line they stand on, and files put together."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.reader import ReaderError

from config.mistakes import InvalidConfiguration, Mistake, Place, dotted

MAP, SEQ = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"
_NULL = "tag:yaml.org,2002:null"


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration as written; ``name`` is the main file's, which a mistake in it need not repeat."""

    name: str
    root: yaml.Node | None

    def content(self) -> object:
        """The values. Raises InvalidConfiguration where nodes cannot be values, such as a list as a key."""
        try:
            return {} if self.root is None else yaml.SafeLoader("").construct_document(self.root)
        except yaml.YAMLError as error:
            raise InvalidConfiguration((_not_yaml(error, self.name, self.name),)) from error

    def where(self, place: Place) -> str:
        """A place with the line on which the deepest known part of it stands, and the file where it is another."""
        mark = _mark(self.root, place)
        return (dotted(place) or "the file") + (f" ({line_of(mark, self.name)})" if mark else "")

    def written(self, place: Place, *, last: bool) -> Place:
        """``place`` without the steps that only pydantic takes, such as the kind of a destination."""
        return _written(self.root, place, last)

    def twice(self) -> Iterator[Mistake]:
        """Keys written twice in one mapping: YAML takes the last silently, a threshold must not."""
        return _twice(self.root, (), self.name, set())


def line_of(mark: yaml.Mark, main: str) -> str:
    """``line 3``, or ``conf.d/ed.yaml line 3``."""
    return f"line {mark.line + 1}" if mark.name == main else f"{mark.name} line {mark.line + 1}"


def read(path: Path, name: str) -> str:
    """A file's text. Raises InvalidConfiguration."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfiguration((Mistake(name, f"cannot be read ({type(error).__name__})"),)) from error


def compose(text: str, name: str, main: str) -> Document:
    """Parse one file. Raises InvalidConfiguration with its line and column."""
    try:
        loader = yaml.SafeLoader(text)
        loader.name = name
        return Document(name=name, root=loader.get_single_node())
    except ReaderError as error:
        where = line_of(yaml.Mark(name, 0, text.count("\n", 0, error.position), 0, None, 0), main)
        raise InvalidConfiguration((Mistake(where, "not YAML: a control character", "remove it"),)) from error
    except yaml.YAMLError as error:
        raise InvalidConfiguration((_not_yaml(error, name, main),)) from error


def child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """The value of a key in a mapping."""
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def with_items(root: yaml.Node | None, place: tuple[str, ...], items: list[yaml.Node]) -> yaml.Node:
    """The root with ``items`` at the end of the list at ``place``; as it is where something else stands there."""
    if not place:
        if root is not None and root.tag != _NULL and not isinstance(root, yaml.SequenceNode):
            return root
        before = list(root.value) if isinstance(root, yaml.SequenceNode) else []
        return yaml.SequenceNode(SEQ, [*before, *items], *_marks(root or items[0]))
    if root is not None and root.tag != _NULL and not isinstance(root, yaml.MappingNode):
        return root
    pairs = list(root.value) if isinstance(root, yaml.MappingNode) else []
    made = with_items(child(root, place[0]), place[1:], items)
    kept = [(key, made if key.value == place[0] else value) for key, value in pairs]
    if len(kept) == len(pairs) and not any(key.value == place[0] for key, _ in pairs):
        kept.append((yaml.ScalarNode("tag:yaml.org,2002:str", place[0], *_marks(items[0])), made))
    return yaml.MappingNode(MAP, kept, *_marks(root or items[0]))


def _marks(node: yaml.Node) -> tuple[yaml.Mark, yaml.Mark]:
    return node.start_mark, node.end_mark


def _not_yaml(error: yaml.YAMLError, name: str, main: str) -> Mistake:
    mark = getattr(error, "problem_mark", None)
    what = f"not YAML: {getattr(error, 'problem', None) or 'cannot be parsed'}"
    if mark:
        return Mistake(f"{line_of(mark, main)}, column {mark.column + 1}", what)
    return Mistake("the file" if name == main else name, what)


def _twice(node: yaml.Node | None, place: Place, main: str, seen: set[int]) -> Iterator[Mistake]:
    if node is None or id(node) in seen:  # an alias, perhaps of what holds it
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _twice(item, (*place, index), main, seen)
    if not isinstance(node, yaml.MappingNode):
        return
    first: dict[str, yaml.Mark] = {}
    for key, value in node.value:
        name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
        here = (*place, name)
        if name in first:
            where = f"{dotted(here)} ({line_of(key.start_mark, main)})"
            yield Mistake(where, "written twice", f"keep one; the other is {line_of(first[name], main)}")
        first.setdefault(name, key.start_mark)
        yield from _twice(value, here, main, seen)


def _mark(node: yaml.Node | None, place: Place) -> yaml.Mark | None:
    mark = None
    for step in place:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(step)), None)
            if pair is None:
                break
            mark, node = pair[0].start_mark, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            mark = node.start_mark
        else:
            break
    return mark


def _written(node: yaml.Node | None, place: Place, last: bool) -> Place:
    found: list[str | int] = []
    for number, step in enumerate(place):
        below: yaml.Node | None = None
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            below = node.value[step]
        elif isinstance(node, yaml.MappingNode):
            below = child(node, str(step))
        if below is not None:
            node = below
            found.append(step)
        elif last and number == len(place) - 1:
            found.append(step)
    return tuple(found)
