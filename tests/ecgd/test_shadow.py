"""A shadow model that is slow, hangs or dies costs the real ones a bounded wait, and never an answer."""

import os
import signal
import threading
from dataclasses import replace

import pytest

from adapters.paper import draw
from config.schema import Models
from domain.ecg import Ecg, Origin
from domain.errors import Permanent
from domain.finding import Abstention, Output, Score, Status
from domain.mode import Mode
from domain.reason import Reason
from ecgd.shadow import FIRST_WAIT_S, HUNG_S, Shadows
from inference.bundle import STAND_INS
from inference.scorer import ModelFacts, Scorer
from tests.inference.conftest import beats

ECG = Ecg(
    signal=beats(),
    picture=draw(beats(), 500),
    origin=Origin(format="wfdb", digitised=False, native_rate_hz=500, native_samples=5000),
)
FACTS = ModelFacts(
    name="next",
    version="2",
    sha256="2" * 64,
    status=Status.SITE_VALIDATED,
    output=Output.ARREST,
    backend="torch-cpu",
    difference=0.0,
    mode=Mode.SHADOW,
)
ANSWER = Score(
    model="next",
    version="2",
    bundle_sha256="2" * 64,
    status=Status.SITE_VALIDATED,
    output=Output.ARREST,
    value=0.5,
    unit="1",
    mode=Mode.SHADOW,
)
TOLD = (replace(ANSWER, model="now", bundle_sha256="1" * 64, mode=Mode.ALERT),)


class Acting:
    """A process that does as it is told."""

    def __init__(self) -> None:
        self.started = self.killed = 0
        self.asked = list[object]()
        self.free = threading.Event()
        self.free.set()
        self.fails: BaseException | None = None
        self.unusable: Permanent | None = None

    def start(self, _settings):
        self.started += 1
        return self

    def ready(self):
        if self.unusable:
            raise self.unusable
        return (FACTS,)

    def ask(self, ecg):
        self.asked.append(ecg)
        assert self.free.wait(60)
        if self.fails:
            raise self.fails
        return (ANSWER,)

    def kill(self):
        self.killed += 1
        self.free.set()


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def child():
    return Acting()


@pytest.fixture
def shadows(child, clock):
    made = Shadows(Models(shadow_wait_s=0), child.start, lambda: clock[0])
    made._at_work.result(60)  # it is loaded
    yield made
    made.close()


def patient(shadows):
    """With a wait that a busy machine does not outlast."""
    shadows._settings = Models(shadow_wait_s=30)
    return shadows


def reasons(answers):
    return [each.reason if isinstance(each, Abstention) else None for each in answers]


def test_what_shadows_say_comes_after_what_the_real_models_say(shadows):
    assert patient(shadows).beside(lambda _: TOLD, ECG) == (*TOLD, ANSWER)


def test_a_slow_one_is_waited_for_so_long_and_is_not_shown_the_next_ecg(shadows, child):
    child.free.clear()
    first = shadows.beside(lambda _: TOLD, ECG)
    second = shadows.beside(lambda _: TOLD, ECG)
    assert (first[:1], second[:1]) == (TOLD, TOLD)
    assert reasons(first[1:]) == reasons(second[1:]) == [Reason.SHADOW_LATE]
    assert all(each.mode is Mode.SHADOW and each.bundle_sha256 == FACTS.sha256 for each in first[1:])
    child.free.set()
    shadows._at_work.result(60)
    assert len(child.asked) == 1
    assert reasons(patient(shadows).beside(lambda _: TOLD, ECG)[1:]) == [None]


def test_one_that_hangs_is_ended_and_started_again(shadows, child, clock):
    child.free.clear()
    shadows.beside(lambda _: TOLD, ECG)
    clock[0] = HUNG_S + 1
    child.fails = EOFError()
    assert reasons(shadows.beside(lambda _: TOLD, ECG)[1:]) == [Reason.SHADOW_LATE]
    shadows._at_work.result(60)
    assert child.killed >= 1
    child.fails = None
    clock[0] += FIRST_WAIT_S
    assert reasons(patient(shadows).beside(lambda _: TOLD, ECG)[1:]) == [None]
    assert child.started == 2


@pytest.mark.parametrize("error", [EOFError(), BrokenPipeError(), ConnectionResetError()])
def test_one_that_dies_is_missed_and_started_again_later_and_later(shadows, child, clock, error):
    patient(shadows)
    child.fails = error
    for started, wait_s in ((1, FIRST_WAIT_S), (2, 2 * FIRST_WAIT_S), (3, 4 * FIRST_WAIT_S)):
        assert reasons(shadows.beside(lambda _: TOLD, ECG)) == [None, Reason.SHADOW_CRASHED]
        assert child.started == started
        clock[0] += wait_s - 0.1
        assert reasons(shadows.beside(lambda _: TOLD, ECG)[1:]) == [Reason.SHADOW_CRASHED]
        assert child.started == started
        clock[0] += 0.2
    child.fails = None
    assert reasons(shadows.beside(lambda _: TOLD, ECG)[1:]) == [None]


def test_one_that_cannot_be_loaded_stops_nothing(child, clock):
    child.unusable = Permanent(Reason.BUNDLE_UNUSABLE, "next: model.safetensors is missing")
    made = Shadows(Models(shadow_wait_s=30), child.start, lambda: clock[0])
    assert made.beside(lambda _: TOLD, ECG) == TOLD
    made.close()


def test_what_the_real_models_raise_is_theirs(shadows):
    def broken(_ecg):
        raise Permanent(Reason.BACKEND_UNUSABLE)

    with pytest.raises(Permanent):
        shadows.beside(broken, ECG)
    assert reasons(patient(shadows).beside(lambda _: TOLD, ECG)[1:]) in ([None], [Reason.SHADOW_LATE])


def test_a_process_of_its_own_answers_as_this_one_would_and_its_end_is_survived():
    settings = Models(
        bundles=(STAND_INS[0], {"path": STAND_INS[1], "mode": "shadow"}),
        device="cpu",
        backend="torch",
        threads=1,
        shadow_wait_s=30,
    )
    shadows = Shadows(settings)
    try:
        shadows._at_work.result(120)
        (answer,) = shadows.beside(lambda _: (), ECG)
        (expected,) = Scorer(settings.only(*settings.shadows)).score(ECG)
        assert (answer, answer.mode) == (expected, Mode.SHADOW)
        os.kill(shadows._child._process.pid, signal.SIGKILL)
        assert reasons(shadows.beside(lambda _: TOLD, ECG)) == [None, Reason.SHADOW_CRASHED]
    finally:
        shadows.close()


def test_a_process_whose_bundle_is_broken_says_so_and_no_more(tmp_path):
    (tmp_path / "bundle").mkdir()
    settings = Models(
        bundles=(STAND_INS[0], {"path": tmp_path / "bundle", "mode": "shadow"}), device="cpu", shadow_wait_s=30
    )
    shadows = Shadows(settings)
    try:
        assert shadows._at_work.result(120) == ()
        assert shadows.beside(lambda _: TOLD, ECG) == TOLD
    finally:
        shadows.close()
