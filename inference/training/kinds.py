"""What each architecture is trained on: the one place that a new kind needs besides its network.

A cohort's cache holds, per ECG, what is dear to make and varies no more: the prepared picture, or the signal.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from domain.ecg import LEADS, RATE_HZ, Ecg, Measurements, Origin
from inference.bundle import VERSIONS
from inference.crops import EMPS, longest_run
from inference.ecg12net import CROP
from inference.manifest import PREPROCESSING_OF, Ecg12NetArchitecture, EiaNetArchitecture
from inference.models import model_of
from inference.training import augment, page_look
from inference.training.recipe import Recipe

Stored = NDArray[Any]
Inputs = tuple[NDArray[Any], ...]

MISSING = np.int16(-32768)
SAMPLES = 10 * RATE_HZ


class Kind(Protocol):
    """One architecture's cache and batches. Arrays of inputs have the cases (or crops) first."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what the cache holds of one ECG."""

    @property
    def dtype(self) -> str:
        """Of the same."""

    def stored(self, ecg: Ecg) -> Stored:
        """What the cache holds of an ECG; ``crops.Unscorable`` where the model would abstain."""

    def varied(self, stored: Stored, emps: NDArray[np.float32], rng: np.random.Generator) -> Inputs:
        """One case to train on, augmented, without a first dimension."""

    def whole(self, stored: Stored, emps: NDArray[np.float32], crops: int) -> Inputs:
        """As the daemon's model sees it, of so many crops where it has crops."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """EIANet: the prepared picture in 256 grays, which is exact."""

    recipe: Recipe
    shape: tuple[int, ...]
    dtype: str = "uint8"

    def stored(self, ecg: Ecg) -> Stored:
        """``[channels, height, width]``."""
        return np.asarray(np.rint(model_of(self.recipe.model).inputs(ecg)[0][0] * 255), np.uint8)

    def varied(self, stored: Stored, emps: NDArray[np.float32], rng: np.random.Generator) -> Inputs:
        """Still in grays: the device divides by 255."""
        return (page_look.varied(stored, self.recipe.augmentation.picture, rng),)

    def whole(self, stored: Stored, emps: NDArray[np.float32], crops: int) -> Inputs:
        """As it is."""
        return (stored[np.newaxis],)


@dataclass(frozen=True, slots=True)
class Signals:
    """A model of the whole signal."""

    recipe: Recipe
    shape: tuple[int, ...] = (len(LEADS), SAMPLES)
    dtype: str = "int16"

    def stored(self, ecg: Ecg) -> Stored:
        """``[12, 5000]`` in microvolt, ``MISSING`` where not recorded; of a longer recording its first 10 s."""
        model_of(self.recipe.model).inputs(ecg)  # raises where it would abstain
        return microvolt(ecg.signal)

    def varied(self, stored: Stored, emps: NDArray[np.float32], rng: np.random.Generator) -> Inputs:
        """Augmented, then as the daemon's model sees it."""
        signal = augment.varied(millivolt(stored), self.recipe.augmentation.signal, rng)
        return tuple(array[0] for array in model_of(self.recipe.model).inputs(_ecg(signal, emps)))

    def whole(self, stored: Stored, emps: NDArray[np.float32], crops: int) -> Inputs:
        """As the daemon's model sees it."""
        return model_of(self.recipe.model).inputs(_ecg(millivolt(stored), emps))


@dataclass(frozen=True, slots=True)
class Crops(Signals):
    """ECG12Net: one crop at random places to train on."""

    def varied(self, stored: Stored, emps: NDArray[np.float32], rng: np.random.Generator) -> Inputs:
        """``[12, 1024]`` from one place of each lead's longest run, and the EMPs ``[8]``, some unknown."""
        how = self.recipe.augmentation.signal
        crop = augment.varied(_crop(stored, rng.random()), how, rng)
        crop -= np.median(crop, axis=1, keepdims=True)
        if not self.recipe.model.emps:  # type: ignore[union-attr]
            return (crop,)
        return crop, np.where(rng.random(len(EMPS)) < how.emp_drop, np.float32(np.nan), emps)

    def whole(self, stored: Stored, emps: NDArray[np.float32], crops: int) -> Inputs:
        """``[crops, 12, 1024]``, and the EMPs ``[crops, 8]``."""
        model = model_of(self.recipe.model.model_copy(update={"crops": crops}))
        return model.inputs(_ecg(millivolt(stored), emps))


def kind_of(recipe: Recipe) -> Kind:
    """Choose by the architecture."""
    if isinstance(recipe.model, EiaNetArchitecture):
        return Pictures(recipe, model_of(recipe.model).example()[0].shape[1:])
    if isinstance(recipe.model, Ecg12NetArchitecture):
        return Crops(recipe)
    return Signals(recipe)


def fingerprint(recipe: Recipe) -> str:
    """All that decides what the cache holds of a given ECG."""
    kind, preprocessing = kind_of(recipe), PREPROCESSING_OF[recipe.model.kind]
    if not isinstance(kind, Pictures):  # signals are stored before any preprocessing
        return f"{type(kind).__name__} {kind.dtype} {kind.shape}"
    look = getattr(recipe.model, "picture", "processed")
    drawn = f"{recipe.data.variants} {recipe.augmentation.signal}" if recipe.data.variants > 1 else "1"
    return f"{preprocessing} {VERSIONS[preprocessing]} {look} {kind.dtype} {kind.shape} {drawn}"


def microvolt(signal: NDArray[np.float32]) -> NDArray[np.int16]:
    """mV ``[12, n]`` -> ``[12, 5000]``."""
    out = np.full((len(LEADS), SAMPLES), MISSING, np.int16)
    kept = signal[:, :SAMPLES]
    grid = np.clip(np.rint(np.nan_to_num(kept, posinf=np.nan, neginf=np.nan) * 1000), -32767, 32767).astype(np.int16)
    out[:, : kept.shape[1]] = np.where(np.isfinite(kept), grid, MISSING)
    return out


def millivolt(stored: Stored) -> NDArray[np.float32]:
    """The inverse: NaN where not recorded."""
    signal = stored.astype(np.float32) / np.float32(1000)
    signal[stored == MISSING] = np.nan
    return signal


def _crop(stored: Stored, place: float) -> NDArray[np.float32]:
    """As ``inference.crops`` does, at ``place`` from 0 to 1."""
    missing = stored == MISSING
    if not missing.any():
        start = int((stored.shape[1] - CROP) * place)
        return stored[:, start : start + CROP].astype(np.float32) / np.float32(1000)
    signal = millivolt(stored)
    cut = np.empty((len(LEADS), CROP), np.float32)
    for lead, row in enumerate(signal):
        first, last = longest_run(row)
        at = first + int((last - first - CROP) * place)
        cut[lead] = row[at : at + CROP]
    return cut


_ORIGIN = Origin(format="cache", digitised=False, native_rate_hz=RATE_HZ, native_samples=SAMPLES)
_NO_PICTURE = np.zeros((1, 1, 3), np.uint8)


def _ecg(signal: NDArray[np.float32], emps: NDArray[np.float32]) -> Ecg:
    """What a model of the signal asks an ECG for."""
    known = {name: None if np.isnan(value) else float(value) for name, value in zip(EMPS, emps, strict=True)}
    return Ecg(signal=signal, picture=_NO_PICTURE, origin=_ORIGIN, reported=Measurements(**known))
