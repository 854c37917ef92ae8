"""Servers to deliver to."""

from collections.abc import Iterator

import pytest

from simulator.ehr import Receiver
from tests.fhir_validation import Medplum


@pytest.fixture(scope="session")
def medplum() -> Iterator[Medplum]:
    """An independent FHIR server; what one test stores, the next one sees."""
    with Medplum() as server:
        yield server


@pytest.fixture
def ehr() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server
