import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from config.schema import Models
from domain.ecg import LEADS, Defect
from domain.errors import Permanent
from domain.finding import Abstention, Output, Score, Status
from domain.mode import Mode
from domain.reason import Reason
from inference import choice, recording
from inference.arrestnet import ArrestNet
from inference.backend import OpenVinoBackend, openvino_available
from inference.bundle import STAND_INS, load, write_bundle
from inference.scorer import Scorer
from tests.inference.conftest import beats


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(Models(device="cpu", threads=2))


@pytest.fixture(scope="module")
def on_torch() -> Scorer:
    return Scorer(Models(device="cpu", backend="torch", threads=1))


@pytest.fixture
def altered(tmp_path):
    """A torch scorer of one stand-in whose facts or last output are changed."""

    def make(number: int, *, raw: float | None = None, **facts: object) -> Scorer:
        path = Path(shutil.copytree(STAND_INS[number], tmp_path / f"{number}-{len(list(tmp_path.iterdir()))}"))
        named = yaml.safe_load((path / "bundle.yaml").read_text())
        (path / "bundle.yaml").write_text(yaml.safe_dump({**named, **facts}))
        settings = Models(bundles=(path,), device="cpu", backend="torch", threads=1, explain=raw is None)
        made = Scorer(settings)
        if raw is not None:
            made._resident[0]._backend = lambda *_: (np.array([raw], np.float32),)
        return made

    return make


def test_every_model_answers_in_the_order_of_its_bundles_and_says_which_it_is(scorer, make_ecg):
    arrest, potassium = scorer.score(make_ecg())
    for answer, path, output, unit in (
        (arrest, STAND_INS[0], Output.ARREST, "1"),
        (potassium, STAND_INS[1], Output.POTASSIUM, "mmol/L"),
    ):
        found = load(path)
        assert isinstance(answer, Score)
        assert (answer.model, answer.version, answer.bundle_sha256) == (
            found.facts.name,
            found.facts.version,
            found.sha256,
        )
        assert (answer.output, answer.unit, answer.status) == (output, unit, Status.STAND_IN)


def test_the_order_of_the_configuration_is_kept(make_ecg):
    turned = Scorer(Models(bundles=STAND_INS[::-1], device="cpu", backend="torch", threads=1))
    assert [answer.output for answer in turned.score(make_ecg())] == [Output.POTASSIUM, Output.ARREST]


def test_the_same_ecg_gives_the_same_answer_and_another_another(scorer, make_ecg):
    first = scorer.score(make_ecg(rate_bpm=60))
    other = scorer.score(make_ecg(rate_bpm=130, tall=1.6))
    assert scorer.score(make_ecg(rate_bpm=60)) == first
    assert all(a.value != b.value for a, b in zip(first, other, strict=True))


@pytest.mark.skipif(not openvino_available(), reason="OpenVINO has no build for this platform")
def test_openvino_is_taken_on_a_cpu_and_answers_as_torch_does(scorer, on_torch, make_ecg):
    assert {facts.backend for facts in scorer.models} == {"openvino-cpu"}
    assert {facts.backend for facts in on_torch.models} == {"torch-cpu"}
    assert all(facts.difference < 1e-4 for facts in scorer.models)
    for ecg in (make_ecg(), make_ecg(rate_bpm=120, tall=2)):
        for a, b in zip(scorer.score(ecg), on_torch.score(ecg), strict=True):
            assert a.value == pytest.approx(b.value, abs=0.0101 if a.output is Output.POTASSIUM else 2e-6)


@pytest.mark.parametrize("strip_s", [0, 8.9, 9.1, 10])
def test_leads_recorded_one_after_the_other_need_a_rhythm_strip_for_the_picture_s_model(on_torch, make_ecg, strip_s):
    whole = beats()
    page = np.full_like(whole, np.nan)
    for lead in range(12):
        column = slice(1250 * (lead // 3), 1250 * (lead // 3) + 1250)
        page[lead, column] = whole[lead, column]
    strip = slice(int(strip_s * 500))
    page[1, strip] = whole[1, strip]
    arrest, potassium = on_torch.score(make_ecg(page))
    assert isinstance(potassium, Score)
    if strip_s > 9:
        assert isinstance(arrest, Score)
    else:
        assert (arrest.reason, arrest.leads) == (Reason.TOO_SHORT, ("II",))


def test_a_recording_of_5_s_gets_no_arrest_risk(on_torch, make_ecg):
    arrest, potassium = on_torch.score(make_ecg(seconds=5))
    assert (type(arrest), type(potassium)) == (Abstention, Score)


def test_an_unfit_ecg_is_shown_to_no_model(on_torch, make_ecg):
    unfit = (Defect(reason=Reason.LEAD_FLAT, leads=("V1", "V2")), Defect(reason=Reason.SATURATED, leads=("II",)))
    answers = on_torch.score(make_ecg(unfit=unfit))
    assert [type(answer) for answer in answers] == [Abstention, Abstention]
    assert {(a.reason, a.leads) for a in answers} == {(Reason.LEAD_FLAT, ("V1", "V2"))}
    assert [a.output for a in answers] == [Output.ARREST, Output.POTASSIUM]


def test_a_lead_too_short_for_a_crop_stops_the_signal_s_model_only(on_torch, make_ecg):
    signal = beats()
    signal[3, 1000:] = np.nan
    signal[3, 500] = np.nan
    arrest, potassium = on_torch.score(make_ecg(signal))
    assert isinstance(arrest, Score)
    assert (potassium.reason, potassium.leads) == (Reason.TOO_SHORT, (LEADS[3],))


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("raw", [np.nan, np.inf, -np.inf, 1e6, -1e6])
def test_an_output_that_is_no_number_or_beyond_belief_is_an_abstention(altered, make_ecg, number, raw):
    (answer,) = altered(number, raw=raw).score(make_ecg())
    assert (type(answer), answer.reason) == (Abstention, Reason.MODEL_OUTPUT_INVALID)


@pytest.mark.parametrize(
    ("raw", "value", "censored", "interval"),
    [
        (1.2, 1.5, "<", None),
        (9.0, 7.5, ">", None),
        (4.204, 4.2, "", (3.1, 5.4)),
        (7.0, 7.0, "", (5.9, 7.5)),
        (5.497, 5.5, "", (4.4, 6.7)),  # decided on as shown
    ],
)
def test_potassium_is_rounded_bounded_and_given_the_bundle_s_interval(
    altered, make_ecg, raw, value, censored, interval
):
    made = altered(1, raw=raw, residual_interval={"lower": -1.1, "upper": 1.2})
    (answer,) = made.score(make_ecg())
    assert (answer.value, answer.censored) == (value, censored)
    assert answer.interval == (interval if interval is None else pytest.approx(interval, abs=0.011))


def test_platt_s_calibration_is_applied_to_the_logit(altered, make_ecg):
    calibration = {"kind": "platt", "slope": 0.5, "intercept": -2.0}
    (answer,) = altered(0, raw=4.0, calibration=calibration).score(make_ecg())
    assert answer.value == 0.5
    (plain,) = altered(0, raw=0.0, calibration={"kind": "identity"}).score(make_ecg())
    assert plain.value == 0.5


def test_a_bundle_of_the_signal_s_model_with_isotonic_calibration_is_served(tmp_path, make_ecg):
    torch.manual_seed(0)
    network = ArrestNet(width=2)
    torch.nn.init.zeros_(network.fc.weight)
    torch.nn.init.constant_(network.fc.bias, -1)
    facts = {
        "name": "arrestnet-test",
        "version": "1",
        "status": "stand-in",
        "architecture": {"kind": "arrestnet", "width": 2},
        "preprocessing": {"name": "signal", "version": recording.PREPROCESSING_VERSION},
        "output": {"quantity": "arrest", "unit": "1"},
        "calibration": {"kind": "isotonic", "points": [[-2.0, 0.1], [0.0, 0.3]]},
        "intended_use": "tests",
        "training_data": "none",
    }
    bundle = write_bundle(tmp_path / "bundle", facts, network.state_dict(), "card")
    served = Scorer(Models(bundles=(bundle.path,), device="cpu", threads=1))
    (answer,) = served.score(make_ecg())
    assert (answer.output, answer.value) == (Output.ARREST, pytest.approx(0.2))
    (short,) = served.score(make_ecg(seconds=5))
    assert (short.reason, short.leads) == (Reason.TOO_SHORT, LEADS)


def test_two_bundles_of_one_name_are_refused():
    with pytest.raises(Permanent) as caught:
        Scorer(Models(bundles=(STAND_INS[0], STAND_INS[0]), device="cpu", backend="torch"))
    assert caught.value.reason is Reason.BUNDLE_UNUSABLE


def test_a_shadow_answers_as_such_unexplained_and_may_share_a_name_but_not_the_weights(tmp_path, make_ecg):
    other = Path(shutil.copytree(STAND_INS[0], tmp_path / "next"))
    (other / "card.md").write_text("the next version")
    shadow = {"path": other, "mode": "shadow"}
    both = Scorer(Models(bundles=(STAND_INS[0], shadow), device="cpu", backend="torch", threads=1))
    first, second = both.score(make_ecg())
    assert (first.model, first.value) == (second.model, second.value)
    assert (first.mode, second.mode) == (Mode.ALERT, Mode.SHADOW)
    assert first.explanation is not None
    assert second.explanation is None
    with pytest.raises(Permanent, match="twice"):
        Scorer(Models(bundles=(STAND_INS[0], {"path": STAND_INS[0], "mode": "shadow"}), device="cpu", backend="torch"))


def test_a_bundle_that_does_not_verify_stops_the_scorer(tmp_path):
    path = Path(shutil.copytree(STAND_INS[0], tmp_path / "bundle"))
    (path / "model.safetensors").write_bytes(b"")
    with pytest.raises(Permanent) as caught:
        Scorer(Models(bundles=(path,), device="cpu", backend="torch"))
    assert caught.value.reason is Reason.BUNDLE_UNUSABLE


@pytest.mark.skipif(not openvino_available(), reason="OpenVINO has no build for this platform")
def test_a_backend_that_disagrees_stops_the_scorer(monkeypatch):
    class Wrong(OpenVinoBackend):
        def __call__(self, *inputs):
            first, *rest = super().__call__(*inputs)
            return (first + np.float32(0.01), *rest)

    monkeypatch.setattr(choice, "OpenVinoBackend", Wrong)
    with pytest.raises(Permanent) as caught:
        Scorer(Models(bundles=STAND_INS[:1], device="cpu", backend="openvino"))
    assert caught.value.reason is Reason.BACKEND_UNUSABLE


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_asked_for_and_absent_stops_the_scorer():
    with pytest.raises(Permanent) as caught:
        Scorer(Models(device="cuda"))
    assert caught.value.reason is Reason.BACKEND_UNUSABLE


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_cuda_answers_as_the_cpu_does(on_torch, make_ecg):
    on_cuda = Scorer(Models(device="cuda"))
    assert all(facts.backend.startswith("torch-cuda") for facts in on_cuda.models)
    for a, b in zip(on_cuda.score(make_ecg()), on_torch.score(make_ecg()), strict=True):
        assert a.value == pytest.approx(b.value, abs=0.0101 if a.output is Output.POTASSIUM else 2e-6)


@pytest.mark.parametrize(("said", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_openmp_is_told_to_wait_passively_before_torch_loads_unless_told_otherwise(said, expected):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    code = "import sys, inference; print('torch' in sys.modules, __import__('os').environ['OMP_WAIT_POLICY'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment | ({"OMP_WAIT_POLICY": said} if said else {}),
    )
    assert done.stdout.split() == ["False", expected]
