import numpy as np
import pytest

from domain.ecg import Identifier, Patient
from domain.person import person_key
from inference.outcomes import Unusable, figures, read, share, truth
from tests.inference.columns import scores

PERSON = person_key(Patient(identifiers=(Identifier(value="7", authority="SIM", type="MR"),)))


def known(tmp_path, text, *rows, within_h=None):
    path = tmp_path / "outcomes.csv"
    path.write_text(text)
    return truth(scores(*rows), read(path, "UTC"), within_h).tolist()


def test_an_outcome_of_an_arrival_is_of_all_its_ecgs(tmp_path):
    found = known(tmp_path, "arrival,outcome\n3,1\n4,0\n9,1\n", *({"value": 0, "arrival": n} for n in (3, 3, 4, 5)))
    assert found[:3] == [1, 1, 0]
    assert np.isnan(found[3])


def test_an_arrest_is_of_the_ecgs_of_the_day_before_it_and_of_no_other_person_s(tmp_path):
    text = "identifier,authority,time,outcome\n7,SIM,2026-05-02T22:30,1\n"
    rows = [{"value": 0, "person": PERSON, "hour": hour} for hour in (-1, 0, 23, 25)]
    found = known(tmp_path, text, *rows, {"value": 0, "person": "other", "hour": 23}, {"value": 0, "hour": 23})
    assert [one == 1 for one in found] == [False, True, True, False, False, False]


def test_that_it_happened_beats_that_it_had_not_yet(tmp_path):
    text = "identifier,authority,time,outcome\n7,SIM,2026-05-02T01:00,0\n7,SIM,2026-05-02T20:00,1\n"
    for lines in (text, "\n".join([text.splitlines()[0], *reversed(text.splitlines()[1:])])):
        assert known(tmp_path, lines, {"value": 0, "person": PERSON}) == [1.0]


def test_a_laboratory_value_is_of_the_nearest_within_the_hour_before_or_after(tmp_path):
    text = "identifier,authority,time,potassium\n7,SIM,2026-05-01T22:00,6.9\n7,SIM,2026-05-01T22:40:00+00:00,4.1\n"
    rows = [{"value": 5, "person": PERSON, "hour": hour} for hour in (0, -0.4, 1.1, 2)]
    found = known(tmp_path, text, *rows)
    assert found[:3] == [4.1, 6.9, 4.1]
    assert np.isnan(found[3])
    assert known(tmp_path, text, *rows, within_h=3)[3] == 4.1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["line 1: columns are arrival, or identifier and time; and outcome or potassium"]),
        ("arrival\n1\n", ["line 1: columns are arrival, or identifier and time; and outcome or potassium"]),
        (
            "arrival,outcome\nx,1\n1,2\n1,\n,1\n",
            [
                "line 2: arrival is no number",
                "line 3: outcome is neither 0 nor 1",
                "line 4: outcome is no number",
                "line 5: neither arrival nor identifier",
            ],
        ),
        ("arrival,potassium\n1,45\n", ["line 2: potassium is not in mmol/L"]),
        (
            "identifier,time,outcome\n7,yesterday,1\n",
            ["line 2: time is not as in ISO 8601, e.g. 2026-05-01T13:45"],
        ),
    ],
)
def test_every_mistake_is_said_with_its_line_and_without_its_value(tmp_path, text, said):
    path = tmp_path / "outcomes.csv"
    path.write_text(text)
    with pytest.raises(Unusable) as caught:
        read(path, "UTC")
    assert list(caught.value.mistakes) == said


def test_intervals_are_wilson_s():
    """Newcombe 1998, Stat Med 17:857, table I: 81/263, 15/148, 0/20, 1/29, method 3."""
    for part, whole, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        found = share(part, whole)
        assert found is not None
        assert found == pytest.approx((part / whole, low, high), abs=5e-5)
    assert share(1, 29) == pytest.approx((1 / 29, 0.0061, 0.1718), abs=5e-5)
    assert share(0, 0) is None


def test_figures_are_those_of_the_two_by_two_table():
    truth_of = np.array([1.0] * 4 + [0.0] * 16 + [np.nan] * 5)
    called = np.array([True] * 3 + [False] + [True] * 9 + [False] * 7 + [True] * 5)
    found = figures(truth_of, called, "arrest")
    assert (found["known"], found["ill"], found["alerts"], found["hits"]) == (20, 4, 12, 3)
    assert (found["sensitivity"][0], found["ppv"][0], found["number_needed_to_alert"][0]) == (0.75, 0.25, 4.0)
    assert found["number_needed_to_alert"][1:] == (1 / found["ppv"][2], 1 / found["ppv"][1])


def test_without_an_alert_or_an_ill_person_nothing_is_claimed():
    found = figures(np.array([0.0, 0.0]), np.array([False, False]), "arrest")
    assert (found["sensitivity"], found["ppv"], found["number_needed_to_alert"]) == (None, None, None)
    found = figures(np.array([0.0, 1.0]), np.array([True, False]), "arrest")
    assert found["number_needed_to_alert"] is None  # of one alert none was right


def test_severe_potassium_is_by_the_laboratory_whatever_the_thresholds():
    potassium = np.array([6.5, 6.49, 2.5, 2.51])
    called = np.ones(4, np.bool_)
    assert figures(potassium, called, "potassium_high")["hits"] == 1
    assert figures(potassium, called, "potassium_low")["hits"] == 1
