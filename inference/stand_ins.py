"""Write the stand-in bundles: the papers' structures, narrow, with seeded UNTRAINED weights.

    python -m inference.stand_ins [FOLDER]

They let everything run where no trained weights are. The batch norms and the output layer are set on seeded drawings so
that answers differ from ECG to ECG over a small plausible range, and say nothing: arrest near an emergency department's
base rate, potassium near the middle of normal.
"""

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.bundle import PACKAGED, Bundle, write_bundle
from inference.crops import PREPROCESSING_VERSION as CROPS_VERSION
from inference.ecg12net import CROP, LEADS, RANGE, STEPS, ECG12Net
from inference.eianet import EIANet
from inference.picture import PREPROCESSING_VERSION as PICTURE_VERSION

SEED = 20250228
VERSION = "0.1.0"
BASE_RATE = 0.0006  # arrests among an emergency department's patients
LOGIT_SPREAD = 0.4
POTASSIUM = (4.2, 0.3)  # mean and spread, mmol/L
POTASSIUM_WITHIN = (3.6, 5.0)
STEP = (RANGE[1] - RANGE[0]) / STEPS
HEIGHT, WIDTH = 512, 768  # 2:3, as the standard picture
DRAWINGS = 12

_CARD = """# {name} {version}

**Stand-in: untrained. Its answers mean nothing clinically.**

The weights are random numbers from a fixed seed. The network has the structure of {paper}, narrower than the paper's,
so that ecgd can be installed, demonstrated and tested where no trained weights are. Its answers differ from one ECG to
the next and depend on nothing a clinician would know. They carry the status `stand-in` wherever they are shown, and
nobody is alerted on them unless the configuration says `models.allow_stand_in: true`.

- Intended use: running the software. Not for any patient.
- Training data: none.
- Measured performance: none.
- Written by: `python -m inference.stand_ins`, seed {seed}.
"""


def write_stand_ins(folder: Path) -> tuple[Bundle, Bundle]:
    """Write both bundles into ``folder``; the same numbers each time, up to the machine's rounding."""
    return _eianet(folder / "eianet-stand-in"), _ecg12net(folder / "ecg12net-stand-in")


def _eianet(path: Path) -> Bundle:
    torch.manual_seed(SEED)
    network = EIANet(width=8)
    pictures = torch.from_numpy(np.stack([_picture(_beats(seed)) for seed in range(DRAWINGS)]))
    _settle(network, pictures)
    with torch.inference_mode():
        logits = network(pictures)[0]
    centre, spread = math.log(BASE_RATE / (1 - BASE_RATE)), LOGIT_SPREAD
    scale, shift = _onto(logits, centre, spread)
    with torch.no_grad():
        network.fc.weight.mul_(scale)
        network.fc.bias.copy_(network.fc.bias * scale + shift)
    architecture = {
        "kind": "eianet",
        "width": 8,
        "in_channels": 1,
        "attention": True,
        "input_height": HEIGHT,
        "input_width": WIDTH,
    }
    facts = _facts(path.name, architecture, ("picture", PICTURE_VERSION), ("arrest", "1"))
    return write_bundle(path, facts, network.state_dict(), _card(path.name, "EIANet (doi 10.2196/67576)"))


def _ecg12net(path: Path) -> Bundle:
    torch.manual_seed(SEED)
    network = ECG12Net(width=6, shared=True, ordinal=True)
    signals = torch.from_numpy(np.stack([_beats(seed)[:, :CROP] for seed in range(DRAWINGS)]))
    _settle(network, signals)
    _between(network, signals)
    architecture = {
        "kind": "ecg12net",
        "width": 6,
        "trunks": "shared",
        "head": "ordinal",
        "emps": False,
        "crops": 5,
    }
    facts = _facts(path.name, architecture, ("crops", CROPS_VERSION), ("potassium", "mmol/L"))
    return write_bundle(path, facts, network.state_dict(), _card(path.name, "ECG12Net (doi 10.2196/15931)"))


def _between(network: ECG12Net, signals: Tensor) -> None:
    """Make the ordinal head say sigmoid((k - t) / STEP) at every threshold t; k is a random direction of the features.

    Thresholds outside ``POTASSIUM_WITHIN`` are fixed, so that no ECG, however odd, gets an alarming answer.
    """
    thresholds = RANGE[0] + STEP * (torch.arange(STEPS) + 0.5)
    low, high = thresholds < POTASSIUM_WITHIN[0], thresholds > POTASSIUM_WITHIN[1]
    with torch.no_grad():
        direction = network.head.weight[:, :, :1].clone()
        features = network.features(signals)
        along = (features.unsqueeze(-1) * direction).sum((2, 3))  # [DRAWINGS, 12]
        scale, shift = _onto((along * network.attention(features)).sum(1), *POTASSIUM)
        network.head.weight.copy_(direction * scale / STEP)
        network.head.bias.copy_((shift - thresholds) / STEP)  # the attention's weights sum to 1
        network.head.weight[:, :, low | high] = 0
        network.head.bias[:, low], network.head.bias[:, high] = 20, -20


def _facts(
    name: str, architecture: dict[str, Any], preprocessing: tuple[str, int], output: tuple[str, str]
) -> dict[str, Any]:
    return {
        "name": name,
        "version": VERSION,
        "status": "stand-in",
        "architecture": architecture,
        "preprocessing": {"name": preprocessing[0], "version": preprocessing[1]},
        "output": {"quantity": output[0], "unit": output[1]},
        "calibration": {"kind": "identity"},
        "intended_use": "Running and testing the software. Not for any patient: the weights are untrained.",
        "training_data": f"None: random weights, seed {SEED}.",
        "performance": [],
    }


def _card(name: str, paper: str) -> str:
    return _CARD.format(name=name, version=VERSION, paper=paper, seed=SEED)


def _settle(network: nn.Module, inputs: Tensor) -> None:
    """Give the batch norms the means and variances of ``inputs``: without, an untrained network fades or explodes."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.momentum = None  # cumulative average: one pass is exact
    network.train()
    with torch.no_grad():
        network(inputs)
    network.eval()


def _onto(values: Tensor, centre: float, spread: float) -> tuple[float, float]:
    """Scale and shift that bring ``values`` to this mean and standard deviation."""
    scale = spread / float(values.std())
    return scale, centre - scale * float(values.mean())


def _beats(seed: int) -> NDArray[np.float32]:
    """Twelve leads in mV, 10 s at 500 Hz, of P, QRS and T bumps; a drawing, no physiology."""
    draw = np.random.default_rng((SEED, seed))
    seconds = np.arange(5000) / 500
    period = draw.uniform(0.5, 1.2)
    phase = (seconds + draw.uniform(0, period)) % period
    bumps = ((0.15, 0.025, 0.12), (0.28, 0.008, -0.1), (0.3, 0.012, 1.0), (0.33, 0.01, -0.2), (0.45, 0.04, 0.3))
    waves = np.stack([height * np.exp(-(((phase - at) / size) ** 2)) for at, size, height in bumps])
    leads = draw.lognormal(0, 0.7) * draw.normal(0.6, 0.6, (LEADS, len(bumps))) @ waves
    wander = draw.uniform(0, 0.2) * np.sin(2 * np.pi * 0.2 * seconds + draw.uniform(0, 6, (LEADS, 1)))
    walk = np.cumsum(draw.normal(size=leads.shape), axis=1)
    noise = 0.1 * draw.uniform() ** 2 * draw.normal(size=leads.shape) + 0.005 * draw.uniform() ** 2 * walk
    signal = leads + wander + noise
    return (signal - np.median(signal, axis=1, keepdims=True)).astype(np.float32)


def _picture(leads: NDArray[np.float32]) -> NDArray[np.float32]:
    """Three rows of four leads and a long one, drawn on the network's input: ``[1, HEIGHT, WIDTH]``, 0 to 1."""
    page = np.zeros((1, HEIGHT, WIDTH), np.float32)
    for row in range(4):
        for column in range(WIDTH * 5 // 6):
            at = column * 5000 * 6 // (WIDTH * 5)
            lead = 1 if row == 3 else 3 * (at // 1250) + row
            span = leads[lead, at : at + 9] * -25.6 + HEIGHT * (0.2 + 0.22 * row)  # 10 mm of 4 px * 512 / 800 a mV
            top, bottom = int(np.clip(span.min() - 1, 0, HEIGHT - 3)), int(np.clip(span.max() + 1, 2, HEIGHT - 1))
            page[0, top : bottom + 1, WIDTH // 10 + column] = 1
    return page


if __name__ == "__main__":
    write_stand_ins(Path(sys.argv[1]) if len(sys.argv) > 1 else PACKAGED)
