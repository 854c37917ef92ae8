import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapters import formats
from config.schema import Models, Reading
from domain.finding import Output, Score
from ecgd.heat_shares import of_signal, shares
from ecgd.models_page import ANTERIOR, fill
from inference.scorer import Scorer
from simulator.effects import of_potassium
from simulator.heart import Heart, ecg, varied


@pytest.fixture(scope="module")
def stand_ins() -> Scorer:
    return Scorer(Models())


def test_tables_are_put_between_their_marks_and_nothing_else_changes() -> None:
    page = "before\n\n<!-- one -->\nold\n<!-- end -->\n\nbetween\n\n<!-- two -->\n<!-- end -->\nafter\n"
    once = fill(page, {"one": "| 1 |", "two": "| 2 |"})
    assert once == (
        "before\n\n<!-- one -->\n\n| 1 |\n\n<!-- end -->\n\nbetween\n\n<!-- two -->\n\n| 2 |\n\n<!-- end -->\nafter\n"
    )
    assert fill(once, {"one": "| 1 |", "two": "| 2 |"}) == once


@pytest.mark.parametrize("page", ["<!-- one -->\n", "<!-- end -->\n"])
def test_a_page_without_a_tables_place_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="no place for one"):
        fill(page, {"one": ""})


def answer(scorer: Scorer, heart: Heart, output: Output, seed: int) -> float:
    (found,) = (a for a in scorer.score(of_signal(ecg(heart, seed))) if a.output is output)
    assert isinstance(found, Score)
    return found.value


def test_simulated_hyperkalemia_normal_and_hypokalemia_are_told_apart(stand_ins: Scorer) -> None:
    values = {
        k: [
            answer(stand_ins, replace(varied(seed), effects=of_potassium(k)), Output.POTASSIUM, seed)
            for seed in range(12)
        ]
        for k in (2.0, 4.2, 8.0)
    }
    low, normal, high = (np.median(values[k]) for k in (2.0, 4.2, 8.0))
    assert low < 3.5 < normal < 5.5 < high


def test_a_segment_that_is_the_whole_recording_holds_all_heat_and_an_empty_one_none(stand_ins: Scorer) -> None:
    tented = [replace(varied(seed), effects=of_potassium(7.2, 1.2)) for seed in range(2)]
    whole = shares(stand_ins, Output.POTASSIUM, tented, lambda waves: np.tile([0, 5000], (waves.r.size, 1)))
    nothing = shares(stand_ins, Output.POTASSIUM, tented, lambda waves: np.full((waves.r.size, 2), -1))
    assert (whole.heat, whole.chance) == (1, 1)
    assert (nothing.heat, nothing.chance) == (0, 0)


def test_the_heat_of_a_tented_t_lies_on_the_t_wave(stand_ins: Scorer) -> None:
    tented = [replace(varied(seed), effects=of_potassium(7.2, 1.2)) for seed in range(5)]
    on_t = shares(stand_ins, Output.POTASSIUM, tented, lambda waves: waves.t)
    assert on_t.chance < 0.3
    assert on_t.heat > 0.8


def test_the_heat_of_an_anterior_st_elevation_lies_on_the_st_of_the_anterior_leads(stand_ins: Scorer) -> None:
    injured = [replace(varied(seed), st_mv=0.35, territory="anterior", t_amplitude=0.8) for seed in range(16)]
    level = [replace(heart, st_mv=0.0) for heart in injured]
    on_st, without = (
        shares(stand_ins, Output.ARREST, hearts, lambda waves: np.stack([waves.st[:, 0], waves.t[:, 1]], 1), ANTERIOR)
        for hearts in (injured, level)
    )
    assert on_st.chance < 0.15
    assert on_st.heat > 0.6
    assert without.heat < on_st.heat - 0.2


def test_the_stand_ins_answer_for_real_ecgs_and_seldom_call_them_severe() -> None:
    quick = Scorer(Models(explain=False))
    if "ECGD_SAMPLES" not in os.environ:
        assert not os.environ.get("CI"), "CI sets ECGD_SAMPLES"
        pytest.skip("ECGD_SAMPLES is not set: no real ECGs")
    files = sorted(Path(os.environ["ECGD_SAMPLES"], "ptbxl/records500").rglob("*.hea"))
    answers = [a for file in files for ecg in formats.read_file(file, Reading()) for a in quick.score(ecg)]
    scores = [a for a in answers if isinstance(a, Score)]
    potassium = np.array([a.value for a in scores if a.output is Output.POTASSIUM])
    arrest = np.array([a.value for a in scores if a.output is Output.ARREST])
    assert len(files) == 250
    assert len(potassium) > 225
    assert len(arrest) > 225
    assert 3.5 < np.median(potassium) < 5.5
    assert np.mean((potassium <= 2.5) | (potassium >= 6.5)) < 0.1
    assert np.ptp(potassium) > 0.5  # not the same answer for all
    assert 0 < arrest.min() < arrest.max() < 0.2
