"""The vectorised replay against the decision taken one ECG after the other, on random data."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from config.schema import Thresholds
from domain.context import Context, Earlier
from domain.finding import Output, Score, Status
from domain.scores import Scores, Words
from inference.decide import assess
from inference.replay import replay

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = {"version": "1", "bundle_sha256": "a" * 64, "status": Status.SITE_VALIDATED}
UNITS, DEVICES, DOORS = ("", "ED", "ed 2", "ICU"), ("", "GE MAC 1", "Philips TC 2"), ("dicom", "hl7", "folder")
LEVELS = {Output.ARREST: ("moderate", "high"), Output.POTASSIUM: ("severe_low", "low", "high", "severe_high")}
VALUES = {  # near the thresholds, on them and on their margins
    Output.ARREST: st.sampled_from([0.0, 0.04, 0.045, 0.05, 0.15, 0.17, 0.18, 0.19, 0.2, 0.25, 0.3, 1.0]),
    Output.POTASSIUM: st.sampled_from([1.5, 2.4, 2.5, 2.6, 2.7, 3.4, 3.6, 4.0, 5.3, 5.5, 6.2, 6.3, 6.4, 6.5, 6.8, 7.5]),
}
SOME = {
    Output.ARREST: st.sampled_from(
        [{"high": 0.18}, {"high": 0.3}, {"moderate": 0.045}, {"moderate": 0.1, "high": 0.19}]
    ),
    Output.POTASSIUM: st.sampled_from([{"severe_high": 6.8}, {"severe_high": 6.2}, {"severe_low": 2.6}, {"low": 3.4}]),
}
WHEN = st.fixed_dictionaries(
    {},
    optional={
        "unit": st.sampled_from(["ED", "ed*", ["ICU", "ED 2"]]),
        "age": st.sampled_from([{"at_least": 18}, {"below": 60}, {"at_least": 40, "below": 41}]),
        "device": st.sampled_from(["GE*", "*TC 2"]),
        "door": st.sampled_from(["dicom", ["hl7", "folder"]]),
        "paced": st.booleans(),
    },
).filter(bool)


@st.composite
def thresholds(draw, output):
    name = "arrest" if output is Output.ARREST else "potassium"
    overrides = []
    for number in range(draw(st.integers(0, 3))):
        override = {"name": f"o{number}", "when": draw(WHEN), name: draw(SOME[output])}
        until = draw(st.one_of(st.none(), st.sampled_from([0, 1, 2])))
        candidate = override | ({} if until is None else {"until": (BEGAN + timedelta(days=until)).date()})
        try:
            Thresholds.model_validate({"overrides": [*overrides, candidate]})
        except ValueError:
            continue  # it would never be used
        overrides.append(candidate)
    margin = draw(st.sampled_from({"arrest": [0, 0.01, 0.02], "potassium": [0, 0.1, 0.2]}[name]))
    hysteresis = {name: margin, "within_h": draw(st.sampled_from([2, 6, 24]))}
    return Thresholds.model_validate({"overrides": overrides, "hysteresis": hysteresis})


@st.composite
def rows(draw, output):
    """In the order of deciding; some came late, some share an arrival or a time."""
    found, arrival = [], 0
    for number in range(draw(st.integers(0, 25))):
        arrival += draw(st.sampled_from([1, 1, 1, 0])) if number else 1
        decided = BEGAN + timedelta(hours=2 * number)
        late = timedelta(hours=draw(st.sampled_from([0, 0, 0, 2, 5, 30])))
        context = Context(
            recorded_at=decided - late,
            decided_at=decided,
            unit=draw(st.sampled_from(UNITS)),
            age_years=draw(st.sampled_from([None, 0.5, 18.0, 40.5, 60.0])),
            device=draw(st.sampled_from(DEVICES)),
            door=draw(st.sampled_from(DOORS)),
            paced=draw(st.booleans()),
        )
        one = Earlier(model=draw(st.sampled_from("mn")), output=output, value=draw(VALUES[output]), context=context)
        found.append((draw(st.sampled_from(["", "p", "p", "p", "q"])), arrival, one))
    return found


def columns(data):
    def words(values):
        names = tuple(dict.fromkeys(values))
        return Words(codes=np.array([names.index(one) for one in values], np.int32), names=names)

    def us(times):
        return np.array(
            [(one - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for one in times], np.int64
        )

    contexts = [one.context for _, _, one in data]
    return Scores(
        id=np.arange(len(data), dtype=np.int64),
        arrival=np.array([arrival for _, arrival, _ in data], np.int64),
        decided_us=us([one.decided_at for one in contexts]),
        recorded_us=us([one.recorded_at for one in contexts]),
        person=words([person for person, _, _ in data]),
        unit=words([one.unit for one in contexts]),
        age_years=np.array([np.nan if one.age_years is None else one.age_years for one in contexts], float),
        device=words([one.device for one in contexts]),
        door=words([one.door for one in contexts]),
        paced=np.array([one.paced for one in contexts], np.bool_),
        model=words([one.model for _, _, one in data]),
        mode=words(["alert"] * len(data)),
        value=np.array([one.value for _, _, one in data], float),
    )


def one_by_one(data, site):
    """What the service does: ask for the person's earlier answers, decide, write; then the next."""
    said = []
    for number, (person, arrival, one) in enumerate(data):
        at = one.context.recorded_at
        before = [
            (other.context.recorded_at, place, other)
            for place, (whose, where, other) in enumerate(data[:number])
            if person
            and whose == person
            and where != arrival
            and at - timedelta(hours=site.hysteresis.within_h) <= other.context.recorded_at <= at
        ]
        latest_first = [other for _, _, other in sorted(before, key=lambda each: each[:2], reverse=True)]
        score = Score(**MODEL, model=one.model, output=one.output, value=one.value, unit="1")
        found = assess(score, site, one.context, latest_first)
        said.append((found.level, found.rule))
    return said


def all_at_once(data, site, output):
    found = replay(columns(data), site, output)
    names = [*(step.level for step in found.levels), "normal"]
    rules = [*(one.name for one in site.overrides), ""]
    return [(names[step], rules[rule]) for step, rule in zip(found.step, found.rule, strict=True)]


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_replay_of_arrest_is_what_the_service_would_have_decided(data):
    answers, site = data.draw(rows(Output.ARREST)), data.draw(thresholds(Output.ARREST))
    assert all_at_once(answers, site, Output.ARREST) == one_by_one(answers, site)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_replay_of_potassium_is_what_the_service_would_have_decided(data):
    answers, site = data.draw(rows(Output.POTASSIUM)), data.draw(thresholds(Output.POTASSIUM))
    assert all_at_once(answers, site, Output.POTASSIUM) == one_by_one(answers, site)


def test_every_level_can_be_seen_in_the_random_data():
    """Or the two tests above would compare nothing: all levels of each output are among its values."""
    for output, values in ((Output.ARREST, [0.0, 0.05, 0.2]), (Output.POTASSIUM, [2.5, 3.4, 4.0, 5.5, 6.5])):
        context = Context(recorded_at=BEGAN, decided_at=BEGAN)
        data = [("", n, Earlier(model="m", output=output, value=v, context=context)) for n, v in enumerate(values)]
        assert {level for level, _ in all_at_once(data, Thresholds(), output)} == {"normal", *LEVELS[output]}


def test_a_level_is_kept_to_the_last_microsecond_and_no_longer():
    site = Thresholds.model_validate({"hysteresis": {"arrest": 0.02, "within_h": 6}})
    for late, level in ((timedelta(), "high"), (timedelta(microseconds=1), "moderate")):
        times = (BEGAN, BEGAN + timedelta(hours=6) + late)
        contexts = [Context(recorded_at=at, decided_at=at) for at in times]
        answers = zip((0.2, 0.19), contexts, strict=True)
        said = [Earlier(model="m", output=Output.ARREST, value=value, context=one) for value, one in answers]
        data = [("p", number, one) for number, one in enumerate(said)]
        assert all_at_once(data, site, Output.ARREST)[-1] == (level, "")
        assert one_by_one(data, site)[-1] == (level, "")
