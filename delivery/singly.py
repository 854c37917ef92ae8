"""A transaction's entries sent one by one, for servers that take no transactions; a repeat finds what is there.

Each entry is looked for by its identifier first, or has an id of ours where the server cannot search for it and lets
clients choose. What an entry refers to was sent before it, so its references are literal by then.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from delivery.access import Access
from delivery.capability import Capability
from delivery.wire import Answer
from domain.errors import Rejected, Transient
from domain.reason import Reason

Resource = dict[str, Any]
FHIR_JSON = "application/fhir+json"


def under_our_ids(bundle: Resource, found: Capability) -> Resource:
    """The bundle with ``PUT type/id`` for what the server can create so and cannot find by identifier."""
    for entry in bundle["entry"]:
        kind = entry["resource"]["resourceType"]
        offer = found.offer(kind)
        if not offer.named and offer.chosen:
            identity = entry["fullUrl"].removeprefix("urn:uuid:")
            entry["resource"]["id"] = identity
            entry["request"] = {"method": "PUT", "url": f"{kind}/{identity}"}
    return bundle


class Singly:
    """Sends the entries of one bundle in their order. Raises as ``FhirSender.send`` does."""

    def __init__(self, access: Access, found: Capability, key: str) -> None:
        self._access, self._found, self._key = access, found, key
        self._places: dict[str, str] = {}

    def send(self, bundle: Resource) -> None:
        """Deliver every entry; what was delivered before is found and left, or updated, and never doubled."""
        for entry in bundle["entry"]:
            resource = json.loads(json.dumps(entry["resource"]))
            for one in references(resource):
                one["reference"] = self._places.get(one["reference"], one["reference"])
            self._places[entry["fullUrl"]] = self._sent(resource, entry["request"])

    def _sent(self, resource: Resource, request: Resource) -> str:
        kind = resource["resourceType"]
        if "id" in resource:
            return self._put(resource, f"{kind}/{resource['id']}")
        query = request.get("ifNoneExist") or request["url"].partition("?")[2]
        there = self._looked_up(kind, query)
        if there and request["method"] == "POST":
            return there
        if there:
            return self._put({**resource, "id": there.partition("/")[2]}, there)
        headers = {"If-None-Exist": query} if self._found.offer(kind).conditional else {}
        answer = self._write("POST", kind, headers, resource)
        return _place(kind, answer) or self._looked_up(kind, query) or _nowhere(kind)

    def _put(self, resource: Resource, place: str) -> str:
        self._write("PUT", place, {}, resource)
        return place

    def _write(self, method: str, path: str, headers: dict[str, str], resource: Resource) -> Answer:
        body = json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()
        sent = {"Content-Type": FHIR_JSON, "X-Request-Id": self._key, "Prefer": "return=minimal", **headers}
        answer = self._access.request(method, f"{self._access.base}/{path}", sent, body)
        answer.check()
        return answer

    def _looked_up(self, kind: str, query: str) -> str:
        found = search(self._access.request, f"{self._access.base}/{kind}?{query}&_count=2", kind)
        if len(found) > 1:
            raise Rejected(Reason.AMBIGUOUS_MATCH, f"several of {kind} with one identifier of ours")
        return f"{kind}/{found[0]}" if found else ""


def search(request: Callable[[str, str, dict[str, str]], Answer], url: str, kind: str) -> list[str]:
    """The ids of the resources of one type that a search finds."""
    answer = request("GET", url, {})
    answer.check()
    body = answer.json()
    if not isinstance(body, dict) or body.get("resourceType") != "Bundle":
        raise Transient(Reason.DESTINATION_UNAVAILABLE, "answer is not a searchset")
    return [one["id"] for one in _resources(body) if one.get("resourceType") == kind]


def references(value: Any) -> Iterator[Resource]:
    """Every element with a ``reference``, at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from references(inner)


def _resources(bundle: Resource) -> Iterator[Resource]:
    """The resources of a searchset that have an id, whatever else the server put there."""
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and isinstance(resource.get("id"), str):
            yield resource


def _place(kind: str, answer: Answer) -> str:
    """``Type/id`` of what was created, by the Location header (R4 3.1.0.8) or the body."""
    steps = urlsplit(answer.location).path.split("/")
    if kind in steps[:-1]:
        return f"{kind}/{steps[len(steps) - 1 - steps[::-1].index(kind) + 1]}"
    body = answer.json()
    identity = body.get("id") if isinstance(body, dict) and body.get("resourceType") == kind else None
    return f"{kind}/{identity}" if isinstance(identity, str) else ""


def _nowhere(kind: str) -> str:
    raise Transient(Reason.DESTINATION_UNAVAILABLE, f"the server does not say where it put the {kind}")
