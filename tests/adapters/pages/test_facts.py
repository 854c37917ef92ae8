"""Facts under their labels in the languages carts print; what a label leaves open is left open."""

from datetime import date, datetime

import pytest

from adapters.pages.facts import facts_of
from domain.ecg import Measurements, Sex

WHOLE = {
    "French": [
        "Nom: DUPONT\tPrénom: Jeanne\tN° patient: 77120",
        "Date de naissance: 02/03/1970\tSexe: Femme",
        "Date et heure: 05/02/2021 13:36:10\tFréquence cardiaque: 75 bat/min",
        "Intervalle PR: 158 ms\tDurée QRS: 100 ms\tQT/QTc: 366/408 ms\tAxes P-R-T: 68 69 60",
        "Conclusion: Rythme sinusal",
    ],
    "Spanish": [
        "Apellidos: DUPONT\tNombre: Jeanne\tNº historia clínica: 77120",
        "Fecha de nacimiento: 02/03/1970\tSexo: Mujer",
        "Fecha: 05/02/2021 Hora: 13:36:10\tFC: 75 lpm",
        "Intervalo PR: 158 ms\tDuración QRS: 100 ms\tQT/QTc: 366/408 ms\tEjes P-R-T: 68 69 60",
        "Interpretación: Rythme sinusal",
    ],
    "Italian": [
        "Cognome: DUPONT\tNome: Jeanne\tID paziente: 77120",
        "Data di nascita: 2 marzo 1970\tSesso: F",
        "Data e ora: 05/02/2021 13:36:10\tFrequenza cardiaca: 75 bpm",
        "Intervallo PR: 158 ms\tDurata QRS: 100 ms\tQT/QTc: 366/408 ms\tAssi P-R-T: 68 69 60",
        "Diagnosi: Rythme sinusal",
    ],
    "German": [
        "Nachname: DUPONT\tVorname: Jeanne\tPatientennummer: 77120",
        "Geburtsdatum: 2 März 1970\tGeschlecht: weiblich",
        "Aufnahmedatum: 05.02.2021 13:36:10\tHerzfrequenz\t75/min",
        "PQ Intervall\t158ms\tQRS Dauer\t100ms\tQT/QTc\t366/408ms\tP-QRS-T Winkel\t68/69/60",
        "Beurteilung: Rythme sinusal",
    ],
}


@pytest.mark.parametrize("language", WHOLE)
def test_a_report_is_read_in_its_language(language: str) -> None:
    facts = facts_of(WHOLE[language])
    assert [identifier.value for identifier in facts.patient.identifiers] == ["77120"]
    assert (facts.patient.family, facts.patient.given) == ("DUPONT", "Jeanne")
    assert facts.patient.birth_date == date(1970, 3, 2)
    assert facts.patient.sex is Sex.FEMALE
    assert facts.local_time == datetime(2021, 2, 5, 13, 36, 10)  # noqa: DTZ001 (a page prints no zone)
    assert facts.statements == ("Rythme sinusal",)
    assert facts.reported == Measurements(
        heart_rate_bpm=75, pr_ms=158, qrs_ms=100, qt_ms=366, qtc_ms=408, p_axis_deg=68, qrs_axis_deg=69, t_axis_deg=60
    )


@pytest.mark.parametrize(
    "line",
    [
        "Médecin: DUPONT\tID: 77120 bis",
        "N° dossier: 77120",  # a visit's as often as a patient's
        "Fecha: 77120",
        "Codice fiscale: RSSMRA70A01H501U",
        "ID paziente: 1\tNHC: 2",
    ],
)
def test_no_other_number_identifies_in_any_language(line: str) -> None:
    assert not facts_of([line]).patient.identifiers


def test_a_letter_that_means_either_sex_means_none() -> None:
    assert facts_of(["Sexo: M"]).patient.sex is Sex.UNKNOWN  # mujer, masculino
    assert facts_of(["Geslacht: V"]).patient.sex is Sex.UNKNOWN
    assert facts_of(["Sexe: M"]).patient.sex is Sex.MALE


def test_the_day_comes_first_only_where_the_language_puts_it() -> None:
    assert facts_of(["Date de naissance: 02/03/1970"]).patient.birth_date == date(1970, 3, 2)
    assert facts_of(["Date of birth: 02/03/1970"]).patient.birth_date is None


def test_two_names_that_differ_are_none() -> None:
    patient = facts_of(["Nom: DUPONT", "Nom: MARTIN"]).patient
    assert (patient.family, patient.given) == ("", "")
