"""The resident models: load, verify and warm once, then score ECG after ECG."""

import math
import os
from dataclasses import dataclass

import torch

from config.schema import ModelBundle, Models
from domain.ecg import Defect, Ecg
from domain.errors import Permanent
from domain.explanation import Explanation
from domain.finding import Abstention, Output, Score, Status
from domain.mode import Mode
from domain.reason import Reason
from inference import bundle as bundles
from inference.bundle import Bundle
from inference.calibration import probability
from inference.choice import choose
from inference.crops import Unscorable
from inference.ecg12net import RANGE, censor
from inference.explain import explained, explainer_of
from inference.models import Model, model_of

DECIMALS = {Output.ARREST: 6, Output.POTASSIUM: 2}
"""What is decided on is what is reported: a 5.497 shown as 5.50 must not be called normal."""

PLAUSIBLE_LOGIT = 50.0
PLAUSIBLE_POTASSIUM = (-5.0, 20.0)  # beyond, the network has lost its way and a bound would be a guess


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What logs and ``ecgd status`` say of a loaded model."""

    name: str
    version: str
    sha256: str
    status: Status
    output: Output
    backend: str
    difference: float  # from torch fp32, see backend.BOUND
    mode: Mode = Mode.ALERT


class Scorer:
    """Scores one ECG at a time: on a CPU batching gains nothing, and minutes matter."""

    def __init__(self, settings: Models) -> None:
        """Load every bundle; ``Permanent`` when one is unusable or its backend disagrees with torch."""
        self._threads = settings.threads or len(os.sched_getaffinity(0))
        torch.set_num_threads(self._threads)
        wanted = settings.bundles or tuple(ModelBundle(path=path) for path in bundles.STAND_INS)
        loaded = [(bundles.load(each.path), each.mode) for each in wanted]
        _require_distinct(loaded)
        self._resident = tuple(_Resident(found, mode, settings, self._threads) for found, mode in loaded)

    @property
    def models(self) -> tuple[ModelFacts, ...]:
        """The loaded models, in the order of the configuration."""
        return tuple(resident.facts for resident in self._resident)

    def score(self, ecg: Ecg) -> tuple[Score | Abstention, ...]:
        """One answer a model, in the order of the configuration; an unfit ECG is not shown to any model."""
        return tuple(resident.answer(ecg) for resident in self._resident)


class _Resident:
    """One model in memory."""

    def __init__(self, bundle: Bundle, mode: Mode, settings: Models, threads: int) -> None:
        self._bundle = bundle
        drawn = settings.explain and mode is not Mode.SHADOW  # nobody would see it
        self._model: Model = model_of(bundle.facts.architecture)
        self._explain = explainer_of(bundle.facts.architecture) if drawn else None
        network = (lambda: explained(bundle.network())) if drawn else bundle.network
        self._backend, difference = choose(network, self._model, settings, threads, heat=drawn)
        self.facts = ModelFacts(
            name=bundle.facts.name,
            version=bundle.facts.version,
            sha256=bundle.sha256,
            status=bundle.facts.status,
            output=self._model.output,
            backend=self._backend.name,
            difference=difference,
            mode=mode,
        )

    def answer(self, ecg: Ecg) -> Score | Abstention:
        """Abstain rather than guess."""
        if ecg.unfit:
            return self._abstain(ecg.unfit[0])
        try:
            inputs = self._model.inputs(ecg)
        except Unscorable as error:
            return self._abstain(Defect(reason=error.reason, leads=error.leads))
        outputs = self._backend(*inputs)
        raw = self._model.raw(outputs)
        if not _plausible(raw, self._model.output):
            return self._abstain(_INVALID)
        return self._score(raw, self._explain(ecg, outputs) if self._explain else None)

    def _score(self, raw: float, explanation: Explanation | None) -> Score:
        output = self._model.output
        value, censored = censor(raw) if output is Output.POTASSIUM else (self._probability(raw), "")
        return Score(
            model=self.facts.name,
            version=self.facts.version,
            bundle_sha256=self.facts.sha256,
            status=self.facts.status,
            output=output,
            value=round(value, DECIMALS[output]),
            unit=self._bundle.facts.output.unit,
            interval=None if censored else self._interval(value),
            censored=censored,
            mode=self.facts.mode,
            explanation=explanation,
        )

    def _probability(self, logit: float) -> float:
        return probability(self._bundle.facts.calibration, logit)

    def _interval(self, value: float) -> tuple[float, float] | None:
        residual = self._bundle.facts.residual_interval
        if residual is None:
            return None
        low, high = (min(max(value + bound, RANGE[0]), RANGE[1]) for bound in (residual.lower, residual.upper))
        return round(low, DECIMALS[Output.POTASSIUM]), round(high, DECIMALS[Output.POTASSIUM])

    def _abstain(self, defect: Defect) -> Abstention:
        return Abstention(
            model=self.facts.name,
            version=self.facts.version,
            bundle_sha256=self.facts.sha256,
            status=self.facts.status,
            output=self._model.output,
            reason=defect.reason,
            leads=defect.leads,
            mode=self.facts.mode,
        )


_INVALID = Defect(reason=Reason.MODEL_OUTPUT_INVALID)


def _plausible(raw: float, output: Output) -> bool:
    if not math.isfinite(raw):
        return False
    low, high = PLAUSIBLE_POTASSIUM if output is Output.POTASSIUM else (-PLAUSIBLE_LOGIT, PLAUSIBLE_LOGIT)
    return low <= raw <= high


def _require_distinct(loaded: list[tuple[Bundle, Mode]]) -> None:
    """A shadow is often the next version of a model that is told of, under the same name; never the same weights."""
    names = [found.facts.name for found, mode in loaded if mode is not Mode.SHADOW]
    if len(set(names)) != len(names):
        raise Permanent(Reason.BUNDLE_UNUSABLE, "two bundles have the same name")
    if len({found.sha256 for found, _ in loaded}) != len(loaded):
        raise Permanent(Reason.BUNDLE_UNUSABLE, "the same bundle is configured twice")
