"""Which bundles there are, and how two of them compare on the same ECGs."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import numpy as np

from config.schema import Settings
from domain.answers import Kept
from domain.errors import Permanent
from domain.finding import Output, Status
from domain.mode import Mode
from ecgd.terminal import INVALID, end, opened
from inference import bundle
from inference.evaluation import agreement, binary, potassium, predictions, thresholds
from inference.evaluation.agreement import Pairs
from inference.evaluation.sheet import Unusable
from inference.models import model_of
from inference.outcomes import Outcomes, truth
from store.answers import kept

_FIGURES = {
    Output.ARREST: ("auroc", "auprc", "brier", "observed_by_expected", "calibration_slope", "calibration_in_the_large"),
    Output.POTASSIUM: ("mae", "bias", "rmse", "pearson", "kappa_five", "auroc_hyperkalemia", "auroc_hypokalemia"),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A bundle that is configured, or was: then ``mode`` is that of its last answer, and ``status`` is not known."""

    model: str
    version: str
    sha256: str
    output: Output
    mode: Mode
    configured: bool
    status: Status | None = None
    answers: int = 0
    first: datetime | None = None
    last: datetime | None = None

    @property
    def named(self) -> str:
        """For people; two bundles of one name differ by their hash."""
        worth = ", stand-in: no clinical meaning" if self.status is Status.STAND_IN else ""
        return f"{self.model} {self.version or '-'} ({self.sha256[:12]}{worth})"


def known(settings: Settings) -> list[Known]:
    """Configured bundles in their order, then those that only the store knows."""
    with opened(settings) as database:
        stored = {(one.sha256, one.output): one for one in kept(database)}
    try:
        wanted = [(each.path, each.mode) for each in settings.models.bundles]
        loaded = [(bundle.load(path), mode) for path, mode in wanted or [(one, Mode.ALERT) for one in bundle.STAND_INS]]
    except Permanent as error:
        end(INVALID, f"a bundle cannot be used: {error.detail or error.reason}")
    found = []
    for one, mode in loaded:
        output = model_of(one.facts.architecture).output
        side = Known(
            model=one.facts.name,
            version=one.facts.version,
            sha256=one.sha256,
            output=output,
            mode=mode,
            configured=True,
            status=one.facts.status,
        )
        found.append(_with(side, stored.pop((one.sha256, output), None)))
    gone = [
        Known(model=one.model, version="", sha256=one.sha256, output=one.output, mode=one.mode, configured=False)
        for one in stored.values()
    ]
    return found + [_with(side, one) for side, one in zip(gone, stored.values(), strict=True)]


def _with(side: Known, stored: Kept | None) -> Known:
    if stored is None:
        return side
    return dataclasses.replace(side, answers=stored.answers, first=stored.first, last=stored.last)


def compared(pairs: Pairs, output: Output, known_of: Outcomes | None, resamples: int) -> dict[str, Any]:
    """Everything that is printed, as JSON types."""
    levels, names = agreement.table(pairs, output), agreement.LEVELS[output]
    rows = agreement.differing(pairs)
    return {
        "output": output.value,
        "both": len(pairs.a),
        "only_a": pairs.only_a,
        "only_b": pairs.only_b,
        "agreement": agreement.estimates(pairs, output, resamples, seed=0).named(
            ("correlation", "mean_difference", "limit_low", "limit_high", "same_level", "kappa")
        ),
        "levels": {
            "names": names,
            "a_by_b": np.bincount(levels, minlength=len(names) ** 2).reshape(len(names), -1).tolist(),
        },
        "alerts": {
            "per_unit": [dataclasses.asdict(one) for one in agreement.per_unit(pairs)],
            "per_day": [dataclasses.asdict(one) for one in agreement.per_day(pairs)],
            "differing": [_differing(pairs, int(row)) for row in rows],
        },
        "outcomes": _against(pairs, output, known_of, resamples) if known_of else None,
    }


def _differing(pairs: Pairs, row: int) -> dict[str, Any]:
    said = {
        name: {"value": round(float(side.value[row]), 6), "level": side.level.names[side.level.codes[row]]}
        for name, side in (("a", pairs.a), ("b", pairs.b))
    }
    decided = datetime.fromtimestamp(int(pairs.a.decided_us[row]) / 1_000_000, UTC)
    unit = pairs.a.unit.names[pairs.a.unit.codes[row]]
    return {
        "arrival": int(pairs.a.arrival[row]),
        "decided_at": decided.isoformat(timespec="seconds"),
        "unit": unit,
        **said,
    }


def _against(pairs: Pairs, output: Output, known_of: Outcomes, resamples: int) -> dict[str, Any]:
    """How well each model is on the ECGs whose outcome is known; ``why`` where they do not suffice."""
    if (known_of.column == "outcome") is not (output is Output.ARREST):
        return {"known": 0, "why": f"a column {known_of.column} says nothing of {output.value}"}
    true = truth(pairs.a, known_of)
    rows = np.flatnonzero(~np.isnan(true))
    patient = [str(one) for one in pairs.patient[rows]]
    found: dict[str, Any] = {"known": len(rows)}
    for name, side in (("a", pairs.a), ("b", pairs.b)):
        try:
            case = predictions.of(true[rows], side.value[rows], patient)
        except Unusable as error:
            return found | {"why": "; ".join(error.mistakes)}
        if output is Output.ARREST:
            # of the figures at a threshold none is shown: the alerts above say what thresholds do
            figures = binary.everything(case, thresholds.given(0.5), (), resamples, 0)
        else:
            figures = potassium.estimates(case, {}, resamples, 0)
        found[name] = figures.named(_FIGURES[output])
    return found
