"""Cohorts: the same for a seed, filled in every class, overlapping, and within what the plan says."""

from datetime import timedelta
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from adapters.measure import beats
from domain.errors import Rejected
from simulator.cohort import Background, case, cases, roster
from simulator.dyskalemia import CLASSES, jittered, potassium, potassium_class
from simulator.effects import Effects, of_potassium
from simulator.heart import ecg, varied
from simulator.person import person
from simulator.plan import Plan, Potassium, read_plan

FILES = sorted((Path(__file__).parents[2] / "config" / "cohorts").glob("*.yaml"))
PLAN = Plan(name="small", kind="potassium", ecgs=40, patients=25, seed=3)


def test_an_ecg_follows_from_the_seed_and_its_number_alone():
    drawn = list(islice(cases(PLAN), 6))
    again = case(PLAN, roster(PLAN), 5)
    assert np.array_equal(drawn[5].signal, again.signal)
    assert drawn[5].drawn == again.drawn
    other = case(PLAN.model_copy(update={"seed": 4}), roster(PLAN), 5)
    assert not np.array_equal(again.signal, other.signal)


def test_every_patient_has_an_ecg_and_keeps_heart_age_and_sex():
    owners = roster(PLAN)
    assert set(owners.tolist()) == set(range(25))
    assert owners.size == 40
    repeated = int(owners[-1])
    first, later = case(PLAN, owners, repeated), case(PLAN, owners, 39)
    assert (first.patient, first.age, first.sex) == (later.patient, later.age, later.sex)
    assert first.heart.shape == later.heart.shape
    assert not np.array_equal(first.signal, later.signal)


def test_einthoven_holds_and_the_waves_are_inside_in_every_case():
    for drawn in islice(cases(PLAN), 15):
        signal = drawn.signal
        assert signal.shape == (12, 5000)
        assert signal.dtype == np.float32
        assert np.isfinite(signal).all()
        assert np.abs(signal[2] - (signal[1] - signal[0])).max() < 1e-5
        assert ((drawn.waves.r >= 0) & (drawn.waves.r < 5000)).all()
        assert drawn.waves.t.shape == drawn.waves.st.shape == (drawn.waves.r.size, 2)


def test_dates_lie_in_the_plan_and_blood_within_the_hour():
    for drawn in islice(cases(PLAN), 15):
        assert PLAN.first_day <= drawn.taken_at.date() <= PLAN.last_day
        assert drawn.taken_at.tzinfo is not None
        assert abs(drawn.blood_at - drawn.taken_at) < timedelta(hours=1)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_the_cohorts_that_come_along_can_be_drawn(file):
    plan = read_plan(file)
    assert plan.name == file.stem
    assert plan.kind in file.stem
    if not plan.backgrounds.share:
        drawn = case(plan, roster(plan), 7)
        assert drawn.signal.shape == (12, 5000)
        assert (drawn.blood_at is None) == (plan.kind == "arrest")


@pytest.mark.parametrize("kind", ["potassium", "arrest"])
def test_train_and_test_differ_in_seed_days_carts_and_ranges(kind):
    train, test = (
        read_plan(next(file for file in FILES if file.stem == f"{kind}-{part}")) for part in ("train", "test")
    )
    assert train.seed != test.seed
    assert train.last_day < test.first_day
    assert not {device.name for device in train.devices} & {device.name for device in test.devices}
    assert train.hearts != test.hearts
    assert train.shares != test.shares
    assert train.noise != test.noise


@pytest.mark.parametrize("name", ["potassium-train", "potassium-test"])
def test_every_class_of_potassium_is_filled(name):
    plan = read_plan(next(file for file in FILES if file.stem == name)).potassium
    chance = np.random.default_rng(1)
    values = [potassium(plan, chance) for _ in range(4000)]
    shares = {label: np.mean([potassium_class(value) == label for value in values]) for label in CLASSES}
    assert min(shares.values()) > 0.05
    assert shares["<5.5"] > 0.35
    assert plan.low <= min(values) <= max(values) <= plan.high


def test_potassium_is_classed_as_the_paper_does():
    table = {2.5: "<=2.5", 2.6: "<=3.5", 3.5: "<=3.5", 3.6: "<5.5", 5.4: "<5.5", 5.5: "<6.5", 6.4: "<6.5", 6.5: ">=6.5"}
    assert {value: potassium_class(value) for value in table} == table


def test_effects_overlap_between_values():
    """What the ECG shows of potassium, as one number, against the cuts: telling, not deciding."""
    plan = Potassium()
    chance = np.random.default_rng(2)
    values, tall = [], []
    for number in range(1500):
        who = person(PLAN, number)
        values.append(potassium(plan, chance))
        shown = jittered(of_potassium(max(values[-1], 1.0), who.sensitivity), plan.jitter, chance)
        tall.append(shown.t_amplitude * who.heart.t_amplitude)
    for cut in (2.5, 3.5, 5.5, 6.5):
        assert 0.72 < roc_auc_score(np.array(values) > cut, tall) < 0.95
    severe = np.array(tall)[np.array(values) >= 6.5]
    plain = np.array(tall)[(np.array(values) > 3.6) & (np.array(values) < 5.0)]
    assert (severe < np.median(plain)).mean() > 0.03


def test_jitter_leaves_no_effect_alone_and_none_none():
    chance = np.random.default_rng(1)
    assert jittered(Effects(), 0.5, chance) == Effects()
    moved = jittered(of_potassium(7.5), 0.3, chance)
    assert moved.t_amplitude != of_potassium(7.5).t_amplitude
    assert moved.sine == of_potassium(7.5).sine


class Real(list):
    """Backgrounds: simulated ECGs, as if they had been recorded."""


def real(count=4):
    return Real(Background(name=f"r{i}", signal=ecg(varied(i), i)) for i in range(count))


def test_backgrounds_are_bent_by_person_and_stay_in_their_part():
    plan = PLAN.model_copy(
        update={"backgrounds": PLAN.backgrounds.model_copy(update={"share": 1.0, "part": (0.0, 0.5)})}
    )
    drawn = [case(plan, roster(plan), n, backgrounds=real(), beats=beats) for n in range(8)]
    assert {one.patient for one in drawn} <= {"B-r0", "B-r1"}
    for one in drawn:
        assert one.heart is None
        assert one.drawn["background"] == one.patient.removeprefix("B-")
        assert one.waves.r.size >= 4
        assert np.abs(one.signal[2] - (one.signal[1] - one.signal[0])).max() < 1e-5
    with pytest.raises(Rejected, match="needs some"):
        case(plan, roster(plan), 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nkind: potassium\necgs: 3\npatients: 5\nseed: 1", "patients outnumber ecgs"),
        (
            "name: a\nkind: potassium\necgs: 3\npatients: 2\nseed: 1\nhearts: {rate_bpm: {low: 9, high: 8}}",
            "hearts.rate_bpm",
        ),
        ("name: a\nkind: heart\necgs: 3\npatients: 2\nseed: 1\nshare: 2", "kind: "),
        ("name: a\nkind: heart\necgs: 3\npatients: 2\nseed: 1\nshare: 2", "share: Extra"),
        ("name: a\nkind: arrest\necgs: 3\npatients: 2\nseed: 1\nbackgrounds: {share: 0.5}", "not into arrest"),
        ("[", "not YAML"),
    ],
)
def test_mistakes_in_a_plan_are_named_with_their_place(tmp_path, text, said):
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(Rejected, match=said):
        read_plan(tmp_path / "plan.yaml")
