"""``docs/examples``: what a clinician reads, as it is sent today.

``ECGD_WRITE_EXAMPLES=1 pytest tests/delivery/test_examples.py`` writes them anew; look at what changed.
"""

import os
import re
from pathlib import Path

import pytest

from config.schema import Hl7v2
from delivery.fhir import bundle
from delivery.hl7 import oru
from delivery.superseded import retracting
from tests.delivery import findings

FOLDER = Path(__file__).parents[2] / "docs" / "examples"
ENGINE = Hl7v2(kind="hl7v2", host="engine", port=6661, receiving="ENGINE", receiving_facility="HOSPITAL")
SHOWN = {"critical": findings.CRITICAL, "stand-in": findings.STAND_IN, "no-estimate": findings.TABLE["abstained"]}


def narrative(finding):
    """The narratives of the r4 profile, one after the other, as a page."""
    parts = [entry["resource"] for entry in bundle(finding, findings.settings())["entry"]]
    shown = [f"<h2>{one['resourceType']}</h2>\n{one['text']['div'].replace('</p>', '</p>' + chr(10))}" for one in parts]
    return "<!doctype html>\n<meta charset=utf-8>\n" + "\n".join(shown) + "\n"


def oracle(finding):
    """The conclusion of the report."""
    made = bundle(finding, findings.settings(profile="oracle"))["entry"]
    return made[-1]["resource"]["conclusion"] + "\n"


def epic(finding):
    """Rows with their notes."""
    made = [entry["resource"] for entry in bundle(finding, findings.settings(profile="epic"))["entry"]]
    rows = [one for one in made if one["resourceType"] == "Observation"]
    return "".join(f"{_row(one)}\n    {one['note'][0]['text']}\n" for one in rows)


def _row(one):
    quantity = one.get("valueQuantity")
    value = f"{quantity['value']} {quantity['unit']}" if quantity else "no value"
    return f"{one['code']['text']}: {value} ({one['status']})"


def message(body):
    """A segment a line, the picture cut."""
    return re.sub(r"(\^Base64\^.{20})[^|]*", r"\1...", body.decode()).replace("\r", "\n")


def _oru(finding):
    return message(oru(finding, ENGINE))


def _retracted(finding):
    said = "the ECG was recorded under the wrong patient"
    return message(retracting(oru(finding, ENGINE), finding.key, said, ENGINE).body)


MADE = {
    f"{name}.{kind}": (make, finding)
    for name, finding in SHOWN.items()
    for kind, make in (("r4.html", narrative), ("oracle.txt", oracle), ("epic.txt", epic), ("oru.hl7", _oru))
} | {"retracted.oru.hl7": (_retracted, findings.CRITICAL)}


@pytest.mark.parametrize("name", MADE)
def test_an_example_is_what_is_sent(name):
    make, finding = MADE[name]
    text = make(finding)
    if os.environ.get("ECGD_WRITE_EXAMPLES"):
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / name).write_text(text, encoding="utf-8")
    assert (FOLDER / name).read_text(encoding="utf-8") == text
