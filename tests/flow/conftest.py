"""The FHIR receiver at the far end, and the configuration that points to it."""

import pytest

from simulator.ehr import Receiver
from tests.flow.ecgs import AUTHORITY_SYSTEM


@pytest.fixture(scope="session")
def fhir_of():
    """The ``fhir`` block for a receiver; it creates the patients it lacks, so that every ECG has one."""

    def block(base_url):
        patient = {"systems": {"SIM": AUTHORITY_SYSTEM}, "unknown": "create"}
        return {"base_url": base_url, "timeout_s": 10, "patient": patient}

    return block


@pytest.fixture
def ehr():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def module_ehr():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def fhir(ehr, fhir_of):
    """The ``fhir`` block for this test's receiver."""
    return fhir_of(ehr.url)
