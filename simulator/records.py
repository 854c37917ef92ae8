"""What a FHIR R4 server keeps, in memory: conditional creates, transactions all or nothing, references resolved."""

import copy
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

Resource = dict[str, Any]


class Refusal(Exception):
    """An answer other than success: the HTTP status and the IssueType code of its OperationOutcome."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code = status, code

    def outcome(self) -> Resource:
        """The OperationOutcome."""
        return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": self.code}]}


class Records:
    """Resources by type and id; safe between threads. What it hands out it never changes again; nor may a reader."""

    def __init__(self) -> None:
        self._stored: dict[str, dict[str, Resource]] = {}
        self._lock = threading.Lock()

    def all(self) -> list[Resource]:
        """Every resource, in the order of arrival within a type."""
        with self._lock:
            return [one for kind in self._stored.values() for one in kind.values()]

    def read(self, kind: str, identity: str) -> Resource:
        """One resource; 404 when there is none."""
        with self._lock:
            try:
                return self._stored[kind][identity]
            except KeyError:
                raise Refusal(404, "not-found") from None

    def search(self, kind: str, query: str) -> list[Resource]:
        """The resources with an identifier; other parameters narrow nothing."""
        with self._lock:
            return _matches(self._stored, kind, query)

    def create(self, kind: str, resource: Resource, if_none_exist: str | None) -> tuple[int, Resource]:
        """Create one, or find the one there is (R4 3.1.0.8.1): status 201 or 200, and the resource."""
        entry: Resource = {"resource": resource, "request": {"method": "POST", "url": kind}}
        if if_none_exist:
            entry["request"]["ifNoneExist"] = if_none_exist
        answer = self.transaction({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        response = answer["entry"][0]["response"]
        _, identity, *_ = response["location"].split("/")
        return int(response["status"][:3]), self.read(kind, identity)

    def transaction(self, bundle: Any) -> Resource:
        """All entries or none (R4 3.1.0.11); only POST and conditional PUT, which is what ecgd sends."""
        entries = _checked(bundle)
        with self._lock:
            draft = {kind: dict(kept) for kind, kept in self._stored.items()}
            placed = [_place(draft, entry) for entry in entries]
            links = {
                entry["fullUrl"]: place[1] for entry, place in zip(entries, placed, strict=True) if "fullUrl" in entry
            }
            for entry, (status, location, resource) in zip(entries, placed, strict=True):
                if status == 201 or entry["request"]["method"] == "PUT":
                    _link(draft, resource, links)
                    kind, identity = location.split("/")
                    draft.setdefault(kind, {})[identity] = resource
            self._stored = draft
        return {
            "resourceType": "Bundle",
            "type": "transaction-response",
            "entry": [{"response": _response(status, location)} for status, location, _ in placed],
        }

    def duplicates(self) -> list[tuple[str, str, str]]:
        """Type, system and value of every identifier that more than one resource of a type carries."""
        counts = Counter(
            (resource["resourceType"], one.get("system", ""), one["value"])
            for resource in self.all()
            for one in _identifiers(resource)
        )
        return [identifier for identifier, count in counts.items() if count > 1]


def _checked(bundle: Any) -> list[Resource]:
    """The entries of a transaction that a server would take; 400 for its form, 422 for what R4's models refuse."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle" or bundle.get("type") != "transaction":
        raise Refusal(400, "structure")
    entries = bundle.get("entry") or []
    for entry in entries:
        request, resource = entry.get("request") or {}, entry.get("resource") or {}
        kind, _, query = str(request.get("url")).partition("?")
        asked = {"POST": not query, "PUT": bool(query)}.get(str(request.get("method")), False)
        if not asked or kind != resource.get("resourceType"):
            raise Refusal(400, "not-supported")
        _valid(resource)
    return copy.deepcopy(entries)


def _valid(resource: Resource) -> None:
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except (ValidationError, KeyError, LookupError, ValueError):
        raise Refusal(422, "invalid") from None


def _place(stored: Mapping[str, Mapping[str, Resource]], entry: Resource) -> tuple[int, str, Resource]:
    """Status, location and resource: an existing one under ``ifNoneExist``, or a new id; 412 when several match.

    A conditional PUT (3.1.0.7.3) puts the resource in the place of the one that matches, or creates it.
    """
    resource, request = entry["resource"], entry["request"]
    kind = resource["resourceType"]
    query = request["url"].partition("?")[2] or request.get("ifNoneExist", "")
    found = _matches(stored, kind, query) if query else []
    if len(found) > 1:
        raise Refusal(412, "multiple-matches")
    if found and request["method"] == "POST":
        return 200, f"{kind}/{found[0]['id']}", found[0]
    identity = found[0]["id"] if found else str(uuid4())
    version = int(found[0]["meta"]["versionId"]) + 1 if found else 1
    meta = {**resource.get("meta", {}), "versionId": str(version), "lastUpdated": _now()}
    return 200 if found else 201, f"{kind}/{identity}", {**resource, "id": identity, "meta": meta}


def _link(stored: Mapping[str, Mapping[str, Resource]], resource: Resource, links: Mapping[str, str]) -> None:
    """Literal references in place of ``urn:uuid`` and conditional ones; 400, 404 or 412 where that cannot be."""
    for holder in _references(resource):
        reference = holder["reference"]
        if reference.startswith("urn:uuid:"):
            if reference not in links:
                raise Refusal(400, "invalid")
            holder["reference"] = links[reference]
        elif "?" in reference:
            holder["reference"] = _conditional(stored, *reference.split("?", 1))
        elif not reference.startswith("#"):
            kind, _, identity = reference.partition("/")
            if identity not in stored.get(kind, {}) and reference not in links.values():
                raise Refusal(404, "not-found")


def _conditional(stored: Mapping[str, Mapping[str, Resource]], kind: str, query: str) -> str:
    found = _matches(stored, kind, query)
    if len(found) != 1:
        raise Refusal(412, "multiple-matches") if found else Refusal(404, "not-found")
    return f"{kind}/{found[0]['id']}"


def _matches(stored: Mapping[str, Mapping[str, Resource]], kind: str, query: str) -> list[Resource]:
    kept = list(stored.get(kind, {}).values())
    asked = parse_qs(query).get("identifier")
    if not asked:
        return kept
    system, value = _token(asked[0])
    return [one for one in kept if any(_is(identifier, system, value) for identifier in _identifiers(one))]


def _is(identifier: Resource, system: str | None, value: str) -> bool:
    return identifier.get("value") == value and system in (None, identifier.get("system", ""))


def _token(text: str) -> tuple[str | None, str]:
    r"""System and value of ``system|value``; ``\`` escapes the next mark, without a bar any system does."""
    parts, marks = [""], iter(text)
    for mark in marks:
        if mark == "|":
            parts.append("")
        else:
            parts[-1] += next(marks, "") if mark == "\\" else mark
    return (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _identifiers(resource: Resource) -> list[Resource]:
    found = resource.get("identifier") or []
    return [found] if isinstance(found, dict) else found


def _references(value: Any) -> Iterator[Resource]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _response(status: int, location: str) -> Resource:
    words = {200: "200 OK", 201: "201 Created"}[status]
    return {"status": words, "location": f"{location}/_history/1", "etag": 'W/"1"', "lastModified": _now()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
