"""What we send is FHIR R4 by the official definitions, and the validators would notice if it were not."""

import copy

import pytest

from delivery.fhir import bundle
from tests.delivery import findings
from tests.fhir_validation import errors

pytestmark = pytest.mark.peer


def transaction(finding, scale="fraction", unknown="hold"):
    matching = findings.MATCHING.model_copy(update={"unknown": unknown})
    return bundle(finding, findings.settings(probability_scale=scale, patient=matching))


@pytest.mark.parametrize("unknown", ["hold", "create"])
@pytest.mark.parametrize("name", findings.TABLE)
def test_every_bundle_fits_the_definitions(name, unknown, medplum):
    assert errors(transaction(findings.TABLE[name], unknown=unknown), medplum) == []


@pytest.mark.parametrize("name", ["critical", "stand-in", "abstained", "unidentified"])
@pytest.mark.parametrize("profile", ["oracle", "epic"])
def test_what_other_profiles_send_fits_the_definitions_too(profile, name, medplum):
    assert errors(bundle(findings.TABLE[name], findings.settings(profile=profile)), medplum) == []


@pytest.mark.parametrize("name", ["normal", "critical", "censored"])
def test_percentages_fit_too(name, medplum):
    assert errors(transaction(findings.TABLE[name], scale="percent"), medplum) == []


def first(made, kind, having="resourceType"):
    return next(
        one["resource"]
        for one in made["entry"]
        if one["resource"]["resourceType"] == kind and having in one["resource"]
    )


def estimate(made):
    return first(made, "Observation", "device")


FAULTS = {
    "a status that is none": lambda made: first(made, "RiskAssessment").update(status="ready"),
    "no status": lambda made: estimate(made).pop("status"),
    "no subject": lambda made: first(made, "RiskAssessment").pop("subject"),
    "no code": lambda made: estimate(made).pop("code"),
    "R5's deviceName": lambda made: first(made, "Device").update(displayName="eianet"),
    "a device name without a type": lambda made: first(made, "Device")["deviceName"][0].pop("type"),
    "a comparator that is none": lambda made: estimate(made)["valueQuantity"].update(comparator="~"),
    "a value and its absence": lambda made: estimate(made).update(dataAbsentReason={"text": "both"}),
    "two values": lambda made: estimate(made).update(valueString="6.8"),
    "a probability over 100": lambda made: first(made, "RiskAssessment")["prediction"][0].update(
        probabilityDecimal=101
    ),
    "a prediction without a probability": lambda made: first(made, "RiskAssessment")["prediction"][0].pop(
        "probabilityDecimal"
    ),
    "a date that is none": lambda made: estimate(made).update(effectiveDateTime="1.5.2026 10:32"),
    "an instant without a zone": lambda made: estimate(made).update(issued="2026-05-01T08:33:01"),
    "no content": lambda made: first(made, "DocumentReference").pop("content"),
    "an unknown element": lambda made: estimate(made).update(probability=0.2),
    "a list where one belongs": lambda made: estimate(made).update(method=[{"text": "a"}]),
    "one where a list belongs": lambda made: estimate(made).update(note={"text": "a"}),
    "a performer that cannot be one": lambda made: estimate(made).update(performer=[{"reference": "Device/1"}]),
    "narrative that is no XHTML": lambda made: estimate(made)["text"].update(div="potassium < 3"),
    "a range in mmol/L for a probability": lambda made: first(made, "RiskAssessment")["prediction"][0].update(
        probabilityRange={"low": {"value": 1, "unit": "mmol/L"}}, probabilityDecimal=None
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_noticed(name, medplum):
    made = copy.deepcopy(transaction(findings.CRITICAL))
    FAULTS[name](made)
    assert errors(made, medplum)
