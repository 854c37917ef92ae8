"""The papers' figures as PNG: ROC, precision and recall, calibration, potassium against the laboratory.

matplotlib is loaded by who draws, without a display.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from inference.evaluation import calibration, potassium, thresholds
from inference.evaluation.calibration import EDGE
from inference.evaluation.predictions import Floats, Predictions
from inference.evaluation.tables import CUTS, Report

DPI = 120
SIZE_IN = 5.2
_LIGHT, _DARK = "0.85", "0.35"
_MANY = 100  # ECGs in one bar: then the few beside it would not be seen
_CLASS_EDGES = (2.5, 3.5, 5.5, 6.5)

Models = Mapping[str, tuple[Predictions, Report]]


def plots(models: Models, folder: Path, note: str = "") -> dict[str, str]:
    """Draw all that fits the models into ``folder``; returns titles and file names."""
    first = next(iter(models.values()))[0]
    drawn: list[tuple[str, str, Callable[[Any], None]]] = []
    if first.binary:
        drawn.append(("ROC", "roc.png", lambda axes: roc(axes, models)))
        drawn.append(("Precision and recall", "pr.png", lambda axes: precision_recall(axes, models)))
        if all(predictions.probabilities for predictions, _ in models.values()):
            drawn.append(("Calibration", "calibration.png", lambda axes: calibrated(axes, models)))
    else:
        for number, (name, (predictions, report)) in enumerate(models.items(), start=1):
            tail = f"-{number}" if len(models) > 1 else ""
            drawn.append((f"Potassium, {name}", f"potassium{tail}.png", _scatter_of(predictions, report)))
            drawn.append((f"ROC at the four cuts, {name}", f"cuts{tail}.png", _cuts_of(predictions, report)))
    for title, file, draw in drawn:
        with _page(folder / file, title, note) as axes:
            draw(axes)
    return {title: file for title, file, _ in drawn}


def roc(axes: Any, models: Models) -> None:
    """Sensitivity against 1 - specificity; the point is the threshold in use."""
    for name, (predictions, report) in models.items():
        _, sensitivity, specificity = thresholds.curve(predictions.truth == 1, predictions.score)
        label = _plain(f"{name}: {_said(report, 'auroc')}")
        (line,) = axes.plot([0, *(1 - specificity)], [0, *sensitivity], lw=1.6, label=label)
        axes.plot(1 - report["specificity"], report["recall"], "o", ms=6, color=line.get_color(), mec="white")
    _square(axes, "1 - specificity", "Sensitivity")
    axes.plot([0, 1], [0, 1], color=_DARK, lw=0.8, ls=":")
    axes.legend(loc="lower right", fontsize=8, title="AUROC (95 % CI); dot: threshold", title_fontsize=8)


def precision_recall(axes: Any, models: Models) -> None:
    """Precision against recall, in steps as average precision counts them; dotted: what chance has."""
    for name, (predictions, report) in models.items():
        ill = predictions.truth == 1
        values, recall, _ = thresholds.curve(ill, predictions.score)
        called = len(ill) - np.searchsorted(np.sort(predictions.score), values, "left")
        label = _plain(f"{name}: {_said(report, 'auprc')}")
        precision = recall * ill.sum() / called
        (line,) = axes.step([0, *recall], [precision[0], *precision], where="pre", lw=1.6, label=label)
        axes.axhline(report["positive_rate"], color=line.get_color(), lw=0.8, ls=":")
        if report["precision"] is not None:
            axes.plot(report["recall"], report["precision"], "o", ms=6, color=line.get_color(), mec="white")
    _square(axes, "Recall", "Precision")
    axes.legend(loc="best", fontsize=8, title="AUPRC (95 % CI); dot: threshold; dotted: chance", title_fontsize=8)


def calibrated(axes: Any, models: Models) -> None:
    """Share of positives against the mean score of ten equally filled groups; below, how many scores lie where."""
    below = axes.inset_axes([0, -0.4, 1, 0.22])
    highest = max(float(predictions.score.max()) for predictions, _ in models.values())
    top = 0.0
    for name, (predictions, report) in models.items():
        mean, share, count = calibration.curve(predictions.truth, predictions.score)
        low, high = _wilson(share, count)
        slope = "" if report["calibration_slope"] is None else f": slope {report['calibration_slope']:.2f}"
        bars = axes.errorbar(
            mean,
            share,
            np.stack([share - low, high - share]),
            fmt="o-",
            ms=4,
            lw=1.2,
            capsize=2,
            label=_plain(f"{name}{slope}"),
        )
        edges = np.linspace(0, max(highest, EDGE), 41)
        below.hist(predictions.score, bins=edges, histtype="step", color=bars[0].get_color(), lw=1.2)
        top = max(top, float(high.max()), float(mean.max()))
    top = min(1.0, top) * 1.03
    axes.plot([0, top], [0, top], color=_DARK, lw=0.8, ls=":")
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="Mean score of the group", ylabel="Share of positives (95 % CI)")
    axes.grid(color=_LIGHT, lw=0.5)
    axes.legend(loc="upper left", fontsize=8)
    below.set(xlabel="Score", ylabel="ECGs")
    if below.get_ylim()[1] > _MANY:
        below.set(yscale="log", ylim=(0.7, None))
    below.grid(color=_LIGHT, lw=0.5)


def scatter(axes: Any, predictions: Predictions, report: Report) -> None:
    """ECG12Net figure 3: estimate against laboratory, coloured by density, with the counts in the five-class grid."""
    truth, score = predictions.truth, predictions.score
    low = np.floor(min(truth.min(), score.min(), 2.0) - 0.2)
    high = np.ceil(max(truth.max(), score.max(), 7.0) + 0.2)
    order, density = _density(truth, score, low)
    axes.scatter(truth[order], score[order], c=density[order], s=5, cmap="turbo", linewidths=0, alpha=0.8)
    axes.plot([low, high], [low, high], color="red", lw=1)
    for edge in _CLASS_EDGES:
        axes.axvline(edge, color=_DARK, lw=0.7)
        axes.axhline(edge, color=_DARK, lw=0.7)
    middle = np.convolve([low, *_CLASS_EDGES, high], [0.5, 0.5], "valid")
    box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75}
    for row, counts in enumerate(report["class_table"]):
        for column, count in enumerate(counts):
            axes.text(middle[row], middle[column], str(count), ha="center", va="center", fontsize=8, bbox=box)
    said = f"MAE {_said(report, 'mae')}; of the constant {report['constant']:.2f}: {report['mae_constant']:.3f}"
    axes.set(xlim=(low, high), ylim=(low, high), ylabel="Estimated K+, mmol/L")
    axes.set_xlabel(f"Laboratory K+, mmol/L\n{said}")
    axes.set_box_aspect(1)


def four_cuts(axes: Any, predictions: Predictions, report: Report) -> None:
    """ECG12Net figure 2: ROC at the four cuts, from the estimate in mmol/L."""
    for cut, title in CUTS.items():
        ill = potassium.beyond(predictions.truth, cut)
        if ill.all() or not ill.any():
            continue
        score = -predictions.score if "hypo" in cut else predictions.score
        _, sensitivity, specificity = thresholds.curve(ill, score)
        label = f"{title}, n={int(ill.sum())}: {_said(report, f'auroc_{cut}')}"
        axes.plot([0, *(1 - specificity)], [0, *sensitivity], lw=1.6, label=label)
    axes.plot([0, 1], [0, 1], color=_DARK, lw=0.8, ls=":")
    _square(axes, "1 - specificity", "Sensitivity")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", fontsize=7, title="AUC (95 % CI)", title_fontsize=8)


def _scatter_of(predictions: Predictions, report: Report) -> Callable[[Any], None]:
    return lambda axes: scatter(axes, predictions, report)


def _cuts_of(predictions: Predictions, report: Report) -> Callable[[Any], None]:
    return lambda axes: four_cuts(axes, predictions, report)


@contextmanager
def _page(path: Path, title: str, note: str) -> Iterator[Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SIZE_IN, SIZE_IN))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(_plain(f"{title}\n{note}" if note else title), fontsize=10)
    yield axes
    figure.savefig(path, dpi=DPI, bbox_inches="tight", metadata={"Software": None})


def _square(axes: Any, x: str, y: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel=x, ylabel=y)
    axes.set_box_aspect(1)
    axes.grid(color=_LIGHT, lw=0.5)


def _said(report: Report, key: str) -> str:
    value, interval = report[key], report[f"{key}_ci"]
    return f"{value:.3f}" + (f" ({interval[0]:.3f}-{interval[1]:.3f})" if interval else "")


def _density(x: Floats, y: Floats, low: float) -> tuple[Any, Floats]:
    """How many points share each point's square of 0.2 mmol/L (log), and the order that draws the densest last."""
    across, up = (np.floor((v - low + 0.05) / 0.2).astype(int) for v in (x, y))  # laboratories report tenths
    _, square, count = np.unique(across * 1000 + up, return_inverse=True, return_counts=True)
    density: Floats = np.log1p(count[square])
    return np.argsort(density, kind="stable"), density


def _plain(text: str) -> str:
    return text.replace("$", r"\$")


def _wilson(share: Floats, count: Any) -> tuple[Floats, Floats]:
    """Wilson's 95 % interval of a share."""
    z = 1.959964
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return np.minimum(middle - half, share), np.maximum(middle + half, share)
