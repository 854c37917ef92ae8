"""What a bundle's architecture means: the network to build, what it is fed, and what its outputs say.

A new network is its own file and a class here, with its parameters in ``inference.manifest``.
"""

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from domain.ecg import LEADS, Ecg
from domain.finding import Output
from domain.reason import Reason
from inference.arrestnet import ArrestNet
from inference.crops import EMPS, Unscorable, crops, emps
from inference.ecg12net import CROP, ECG12Net
from inference.eianet import EIANet
from inference.manifest import Architecture, ArrestNetArchitecture, Ecg12NetArchitecture, EiaNetArchitecture
from inference.picture import prepare, unprocessed
from inference.recording import SAMPLES, whole

RHYTHM_LEAD = "II"
Array = NDArray[np.float32]


class Model(Protocol):
    """One architecture in use. ``raw`` is a logit for a probability, mmol/L for potassium."""

    output: Output

    def build(self) -> nn.Module:
        """Make the network, its weights still arbitrary."""

    def inputs(self, ecg: Ecg) -> tuple[Array, ...]:
        """Preprocess; ``crops.Unscorable`` where the ECG holds too little."""

    def example(self) -> tuple[Array, ...]:
        """A typical input of the right shape, always the same."""

    def examples(self) -> tuple[tuple[Array, ...], ...]:
        """What backends are compared on: nothing at all, the typical, and a harsh one that no patient gives."""

    def raw(self, outputs: tuple[Array, ...]) -> float:
        """The model's estimate before calibration."""


class EiaNetModel:
    """EIANet on the standard picture.

    Not on the sender's page: pages differ in layout, size, ruling and text, and the preprocessing and the network
    are fitted to one known picture, which every ECG has, whatever it came as. Its fourth row is 10 s of lead II. A page
    of 3x4 leads without a rhythm strip, or four groups of 2.5 s, would leave three quarters of that row empty, which is
    no picture the network was fitted to: it abstains.
    """

    output = Output.ARREST
    SHORTEST_STRIP_S = 9.0  # of 10: a printed strip loses a little at its ends and at the calibration pulse

    def __init__(self, architecture: EiaNetArchitecture) -> None:
        self._a = architecture

    def build(self) -> EIANet:
        """Make the network."""
        return EIANet(width=self._a.width, in_channels=self._a.in_channels, attention=self._a.attention)

    def inputs(self, ecg: Ecg) -> tuple[Array, ...]:
        """One picture ``[1, in_channels, height, width]``; ``Unscorable`` where the rhythm strip is incomplete."""
        strip = ecg.signal[LEADS.index(RHYTHM_LEAD)]
        if np.count_nonzero(np.isfinite(strip)) < self.SHORTEST_STRIP_S * ecg.rate_hz:
            raise Unscorable(Reason.TOO_SHORT, (RHYTHM_LEAD,))
        look = prepare if self._a.picture == "processed" else unprocessed
        picture = look(ecg.picture, self._a.input_height, self._a.input_width)
        return (np.repeat(picture[np.newaxis], self._a.in_channels, axis=1),)

    def example(self) -> tuple[Array, ...]:
        """A wave across the picture."""
        height, width = self._a.input_height, self._a.input_width
        picture = np.zeros((1, self._a.in_channels, height, width), np.float32)
        x = np.arange(width)
        picture[:, :, (height * (0.5 + 0.3 * np.sin(x / 17))).astype(int), x] = 1
        return (picture,)

    def examples(self) -> tuple[tuple[Array, ...], ...]:
        """An empty page, a wave, and snow."""
        (wave,) = self.example()
        snow = np.random.default_rng(0).integers(0, 2, wave.shape).astype(np.float32)
        return (np.zeros_like(wave),), (wave,), (snow,)

    def raw(self, outputs: tuple[Array, ...]) -> float:
        """The logit."""
        return float(outputs[0][0])


class Ecg12NetModel:
    """ECG12Net on the signal."""

    output = Output.POTASSIUM

    def __init__(self, architecture: Ecg12NetArchitecture) -> None:
        self._a = architecture

    def build(self) -> ECG12Net:
        """Make the network."""
        a = self._a
        return ECG12Net(width=a.width, shared=a.trunks == "shared", ordinal=a.head == "ordinal", emps=a.emps)

    def inputs(self, ecg: Ecg) -> tuple[Array, ...]:
        """Crops ``[crops, 12, 1024]``, and the EMPs ``[crops, 8]`` for ECG12Net-2."""
        return self._with_emps(crops(ecg.signal, self._a.crops), emps(ecg))

    def example(self) -> tuple[Array, ...]:
        """Beats once a second, a different height in every lead."""
        leads = _beats(CROP)
        unknown_pr = np.array([60, np.nan, 90, 400, 400, 50, 40, 45], np.float32)
        return self._with_emps(np.repeat(leads[np.newaxis], self._a.crops, axis=0), unknown_pr)

    def examples(self) -> tuple[tuple[Array, ...], ...]:
        """Silence with no EMP known, beats, and noise clipped at 5 mV with EMPs far out."""
        beats = self.example()
        silence = self._with_emps(np.zeros_like(beats[0]), np.full(len(EMPS), np.nan, np.float32))
        far = np.array([300, 400, 300, 700, 700, 180, -180, 180], np.float32)
        return silence, beats, self._with_emps(_clipped_noise(beats[0].shape), far)

    def raw(self, outputs: tuple[Array, ...]) -> float:
        """The average over the crops in mmol/L, not clamped."""
        return float(outputs[0].mean(dtype=np.float64))

    def _with_emps(self, cut: Array, parameters: Array) -> tuple[Array, ...]:
        return (cut, np.repeat(parameters[np.newaxis], cut.shape[0], axis=0)) if self._a.emps else (cut,)


class ArrestNetModel:
    """ArrestNet on the whole signal."""

    output = Output.ARREST

    def __init__(self, architecture: ArrestNetArchitecture) -> None:
        self._a = architecture

    def build(self) -> ArrestNet:
        """Make the network."""
        return ArrestNet(width=self._a.width)

    def inputs(self, ecg: Ecg) -> tuple[Array, ...]:
        """One recording ``[1, 12, 5000]``; ``Unscorable`` where a lead is known for less than 9 s."""
        return (whole(ecg.signal)[np.newaxis],)

    def example(self) -> tuple[Array, ...]:
        """Beats once a second, a different height in every lead."""
        return (_beats(SAMPLES)[np.newaxis],)

    def examples(self) -> tuple[tuple[Array, ...], ...]:
        """Silence, beats, and noise clipped at 5 mV."""
        (beats,) = self.example()
        return (np.zeros_like(beats),), (beats,), (_clipped_noise(beats.shape),)

    def raw(self, outputs: tuple[Array, ...]) -> float:
        """The logit."""
        return float(outputs[0][0])


def _beats(samples: int) -> Array:
    seconds = np.arange(samples) / 500
    beat = np.exp(-(((seconds % 1 - 0.4) / 0.02) ** 2)) + 0.3 * np.exp(-(((seconds % 1 - 0.7) / 0.06) ** 2))
    return (np.linspace(-1, 1.2, len(LEADS))[:, np.newaxis] * beat).astype(np.float32)


def _clipped_noise(shape: tuple[int, ...]) -> Array:
    return np.clip(np.random.default_rng(0).normal(0, 5, shape), -5, 5).astype(np.float32)


def model_of(architecture: Architecture) -> Model:
    """Choose by the architecture's kind."""
    if isinstance(architecture, EiaNetArchitecture):
        return EiaNetModel(architecture)
    if isinstance(architecture, ArrestNetArchitecture):
        return ArrestNetModel(architecture)
    return Ecg12NetModel(architecture)


def sigmoid(logit: float) -> float:
    """Finite for any finite logit."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
