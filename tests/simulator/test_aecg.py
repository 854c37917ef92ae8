"""The aECG writer against a reader that is not ours, and against what the standard demands of a document."""

import warnings
from datetime import UTC, datetime
from xml.etree import ElementTree

import numpy as np
import pytest
from ecgdatakit import FileParser

from domain.ecg import LEADS, Measurements
from simulator.files import write_aecg
from simulator.heart import ecg, varied
from simulator.patient import SyntheticPatient

PATIENT = SyntheticPatient.seeded(7)
WHEN = datetime(2024, 3, 1, 12, 0, 5, tzinfo=UTC)
SIGNAL = ecg(varied(7, seconds=2.5), 7)
V3 = "{urn:hl7-org:v3}"


def written(**more) -> bytes:
    return write_aecg(SIGNAL, 500, PATIENT, acquired_at=WHEN, **more)


@pytest.mark.parametrize("uv_per_unit", [1.0, 2.5, 4.88])
def test_another_reader_finds_the_samples_the_patient_and_what_the_cart_said(tmp_path, uv_per_unit):
    path = tmp_path / "a.xml"
    path.write_bytes(written(uv_per_unit=uv_per_unit, reported=Measurements(heart_rate_bpm=70, pr_ms=160, qrs_ms=90)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = FileParser().parse(path)
    assert [lead.label for lead in found.leads] == list(LEADS)
    for lead, row in zip(found.leads, SIGNAL, strict=True):
        assert np.abs(np.asarray(lead.samples) - row).max() <= uv_per_unit / 2000 + 1e-9
    assert (found.patient.patient_id, found.patient.last_name) == (PATIENT.id, PATIENT.family)
    assert found.recording.date == WHEN
    assert (found.measurements.heart_rate, found.measurements.pr_interval) == (70, 160)


def test_the_document_is_in_hl7_s_namespace_and_typed_as_the_schema_has_it():
    root = ElementTree.fromstring(written())
    assert root.tag == f"{V3}AnnotatedECG"
    kinds = [value.get("{http://www.w3.org/2001/XMLSchema-instance}type") for value in root.iter(f"{V3}value")]
    assert kinds == ["GLIST_TS"] + ["SLIST_PQ"] * 12


def test_the_same_ecg_is_the_same_document():
    assert written() == written()
