import numpy as np
import pytest
import torch

from domain.finding import Output
from domain.reason import Reason
from inference.crops import Unscorable
from inference.manifest import ArrestNetArchitecture, Ecg12NetArchitecture, EiaNetArchitecture
from inference.models import model_of
from inference.picture import prepare, unprocessed
from inference.recording import whole

EIANET = {
    "kind": "eianet",
    "width": 2,
    "in_channels": 1,
    "attention": True,
    "input_height": 128,
    "input_width": 192,
}
ECG12NET = {"kind": "ecg12net", "width": 1, "trunks": "shared", "head": "linear", "emps": False, "crops": 2}
ARCHITECTURES = {
    "eianet": EiaNetArchitecture.model_validate(EIANET),
    "resnet-50 on the raw picture in colour's shape": EiaNetArchitecture.model_validate(
        EIANET | {"picture": "raw", "attention": False, "in_channels": 3}
    ),
    "ecg12net-1": Ecg12NetArchitecture.model_validate(ECG12NET),
    "ecg12net-2": Ecg12NetArchitecture.model_validate(ECG12NET | {"emps": True}),
    "arrestnet": ArrestNetArchitecture(kind="arrestnet", width=2),
}


@pytest.fixture(params=ARCHITECTURES)
def model(request):
    return model_of(ARCHITECTURES[request.param])


def test_an_ecg_s_inputs_have_the_example_s_shapes_and_the_network_takes_them(model, make_ecg):
    inputs = model.inputs(make_ecg())
    assert [(a.shape, a.dtype) for a in inputs] == [(a.shape, np.float32) for a in model.example()]
    outputs = model.build().eval()(*map(torch.from_numpy, inputs))
    assert np.isfinite(model.raw(tuple(output.detach().numpy() for output in outputs)))


def test_what_a_model_says_is_what_its_paper_predicts():
    outputs = [model_of(architecture).output for architecture in ARCHITECTURES.values()]
    assert outputs == [Output.ARREST, Output.ARREST, Output.POTASSIUM, Output.POTASSIUM, Output.ARREST]


def test_a_bundle_without_the_switch_takes_the_processed_picture():
    assert ARCHITECTURES["eianet"].picture == "processed"


@pytest.mark.parametrize(("switch", "look"), [("processed", prepare), ("raw", unprocessed)])
def test_the_switch_chooses_the_picture(switch, look, make_ecg):
    ecg = make_ecg()
    (given,) = model_of(EiaNetArchitecture.model_validate(EIANET | {"picture": switch})).inputs(ecg)
    np.testing.assert_array_equal(given, look(ecg.picture, 128, 192)[np.newaxis])


def test_arrestnet_takes_the_whole_recording_and_abstains_where_a_lead_is_short(make_ecg):
    model = model_of(ARCHITECTURES["arrestnet"])
    ecg = make_ecg()
    np.testing.assert_array_equal(model.inputs(ecg)[0], whole(ecg.signal)[np.newaxis])
    with pytest.raises(Unscorable) as caught:
        model.inputs(make_ecg(seconds=5))
    assert caught.value.reason is Reason.TOO_SHORT


def test_backends_are_compared_on_nothing_on_the_typical_and_on_the_harsh(model):
    quiet, typical, harsh = model.examples()
    network = model.build().eval()
    for given, example in zip((quiet, typical, harsh), (model.example(),) * 3, strict=True):
        assert [(a.shape, a.dtype) for a in given] == [(a.shape, a.dtype) for a in example]
        outputs = network(*map(torch.from_numpy, given))
        assert all(torch.isfinite(output).all() for output in outputs)
    assert not quiet[0].any()
    assert np.abs(harsh[0]).mean() > 2 * np.abs(typical[0]).mean()
