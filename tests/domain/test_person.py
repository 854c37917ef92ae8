"""Who a person is to the service."""

import pytest

from domain.ecg import Identifier, Patient
from domain.person import person_key


def of(*identifiers: Identifier) -> str:
    return person_key(Patient(identifiers=identifiers))


NUMBER = Identifier(value="123", authority="A", type="MR")


def test_a_medical_record_number_names_a_person_before_others():
    assert of(Identifier(value="77", type="PI"), NUMBER) == of(NUMBER) != ""


def test_case_and_blanks_around_do_not_make_another_person():
    assert of(Identifier(value=" 123 ", authority="a", type="mr")) == of(NUMBER)


@pytest.mark.parametrize("other", [Identifier(value="123", authority="B"), Identifier(value="124", authority="A")])
def test_another_authority_or_number_is_another_person(other):
    assert of(other) != of(NUMBER)


@pytest.mark.parametrize("identifiers", [(), (Identifier(value="9", type="AN"),), (Identifier(value="", type="MR"),)])
def test_without_a_record_number_nobody_is_named(identifiers):
    assert of(*identifiers) == ""
