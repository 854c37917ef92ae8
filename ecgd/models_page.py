"""docs/models.md: the papers' tables for the stand-ins on simulated ECGs, and how far those are from real ones."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters import formats
from config.schema import Models, Reading
from domain.ecg import LEADS
from domain.errors import Rejected
from domain.finding import Output, Score
from ecgd.heat_shares import shares
from inference.evaluation import predictions, tables
from inference.evaluation.report import Wanted, report
from inference.scorer import Scorer
from simulator.effects import of_potassium
from simulator.heart import varied

WANTED = Wanted(note="simulated ECGs, stand-in models: no clinical meaning")
ABLATION = {
    "None": "eianet-none",
    "SA only": "eianet-attention",
    "BRLoss only": "eianet-brloss",
    "SA + BRLoss": "eianet-both",
}
PICTURES = {"Raw image": "eianet-raw", "Processed image": "eianet-both"}
SIGNAL = {"Signal (ArrestNet)": "arrestnet", "Picture (EIANet)": "eianet-both"}
SHIPPED = {"EIANet as shipped": "eianet"}
POTASSIUM = {"ECG12Net-1": "ecg12net", "ECG12Net-2": "ecg12net-2"}
HEARTS = 40
ANTERIOR = ("V1", "V2", "V3", "V4")
U_WAVE = 50  # samples from the end of T to that of U
SMALLEST = 1e-6  # a score is reported to six decimals
END = "<!-- end -->"
Reports = Mapping[str, Mapping[str, Any]]


def write(work: Path, docs: Path, real: Path) -> None:
    """Write ``docs/models.md`` and its plots from the predictions of every training in ``work``."""
    (docs / "models").mkdir(exist_ok=True)
    arrest = _reports(work, ABLATION)
    eianet, shipped = arrest["SA + BRLoss"], _reports(work, SHIPPED)
    pictures = _reports(work, PICTURES)
    signal = _reports(work, SIGNAL)
    potassium = _reports(work, POTASSIUM)
    filled = {
        "cohorts": _cohorts(arrest, potassium),
        "table 3": tables.figures(signal, tables.COMPARISON, "Method"),
        "table 4": tables.figures({"ResNet-50": arrest["None"], "EIANet": eianet}, tables.ABLATION, "Method"),
        "table 5": tables.figures(pictures, tables.ABLATION, "Input"),
        "table 6": tables.figures(arrest, tables.ABLATION, "Modules"),
        "table 7": tables.table_7(arrest),
        "shipped": tables.figures(shipped, tables.ABLATION, "Method"),
        "calibration": tables.figures(shipped, tables.CALIBRATION, "Model"),
        "estimate": tables.figures(potassium, tables.ESTIMATE, "Model"),
        "cuts": tables.cuts(potassium),
        "sources": tables.cuts(_by_source(work)),
        "table 2": tables.table_2(potassium),
        "classes": tables.classes(potassium["ECG12Net-1"]),
        "heat": _heat(Scorer(Models())),
        "real": _real(work, docs / "models", real),
    }
    page = docs / "models.md"
    page.write_text(fill(page.read_text("utf-8"), filled), "utf-8")


def fill(page: str, tables_by_name: Mapping[str, str]) -> str:
    """Put each table between its marks, ``<!-- NAME -->`` and ``<!-- end -->``; ``ValueError`` where they are not."""
    for name, table in tables_by_name.items():
        start = f"<!-- {name} -->"
        before, found, after = page.partition(start)
        _, closed, rest = after.partition(END)
        if not found or not closed:
            raise ValueError(f"the page has no place for {name}")
        page = f"{before}{start}\n\n{table}\n\n{END}{rest}"
    return page


def _reports(work: Path, recipes: Mapping[str, str]) -> Reports:
    """A row a recipe that was trained; which are not is seen from the table."""
    read = {name: work / recipe / "predictions.csv" for name, recipe in recipes.items()}
    return {name: report(predictions.read(path), WANTED) for name, path in read.items() if path.exists()}


def _cohorts(arrest: Reports, potassium: Reports) -> str:
    first, second = arrest["SA + BRLoss"], potassium["ECG12Net-1"]
    rows = [
        ["arrest-test", str(first["n"]), str(first["patients"]), f"{first['positive_rate']:.1%} with arrest"],
        ["potassium-test-real", str(second["n"]), str(second["patients"]), _counts(second)],
    ]
    return tables.markdown(["Test cohort", "ECGs", "Patients", "Truth"], rows)


def _counts(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in zip(found["classes"], found["class_counts"], strict=True))


def _by_source(work: Path) -> Reports:
    """ECG12Net-1 apart on bent real recordings and on simulated hearts."""
    whole = predictions.read(work / "ecg12net/predictions.csv")
    bent = np.array([patient.startswith("B-") for patient in whole.columns["patient"]])
    parts = {"Bent real recordings": bent, "Simulated hearts": ~bent}
    return {name: report(whole.take(np.flatnonzero(rows)), WANTED) for name, rows in parts.items()}


def _heat(scorer: Scorer) -> str:
    """Where the heat lies on ECGs whose waves are known."""
    tented = [replace(varied(seed), effects=of_potassium(7.2, 1.2)) for seed in range(HEARTS)]
    injured = [replace(varied(seed), st_mv=0.35, territory="anterior", t_amplitude=0.8) for seed in range(HEARTS)]
    level = [replace(varied(seed), st_mv=0.0, t_amplitude=0.8) for seed in range(HEARTS)]
    flat = [replace(varied(seed), effects=of_potassium(2.2, 1.2)) for seed in range(HEARTS)]
    t_wave = shares(scorer, Output.POTASSIUM, tented, lambda waves: waves.t)
    late = shares(scorer, Output.POTASSIUM, flat, lambda waves: np.stack([waves.st[:, 0], waves.t[:, 1] + U_WAVE], 1))
    st, raised, none = (
        shares(scorer, Output.ARREST, hearts, lambda waves: np.stack([waves.st[:, 0], waves.t[:, 1]], 1), leads)
        for hearts, leads in ((injured, LEADS), (injured, ANTERIOR), (level, ANTERIOR))
    )
    rows = [
        ["ECG12Net, tented T (7.2 mmol/L)", "T wave", f"{t_wave.heat:.2f}", f"{t_wave.chance:.2f}"],
        ["ECG12Net, flat T and U (2.2 mmol/L)", "ST to U", f"{late.heat:.2f}", f"{late.chance:.2f}"],
        ["EIANet, anterior ST elevation (0.35 mV)", "ST segment and T wave", f"{st.heat:.2f}", f"{st.chance:.2f}"],
        ["the same", "those of V1 to V4", f"{raised.heat:.2f}", f"{raised.chance:.2f}"],
        ["EIANet, the same hearts without it", "those of V1 to V4", f"{none.heat:.2f}", f"{none.chance:.2f}"],
    ]
    return tables.markdown(["Model and ECG", "Segment", "Share of heat inside", "Share of samples inside"], rows)


def _real(work: Path, pictures: Path, real: Path) -> str:
    """Both stand-ins on real recordings as they are, beside the simulated test cohorts."""
    seen = _scored(sorted(real.rglob("*.hea")), Scorer(Models(explain=False)))
    rows = []
    for output, recipe, unit in ((Output.ARREST, "eianet", ""), (Output.POTASSIUM, "ecg12net", " mmol/L")):
        simulated = predictions.read(work / recipe / "predictions.csv")
        parts = {"real": np.array(seen[output]), **_simulated(simulated)}
        rows += [[output.value, name, str(len(part)), *_quantiles(part, unit)] for name, part in parts.items()]
        distribution(pictures / f"{recipe}-real.png", parts, output)
    table = tables.markdown(["Estimate", "ECGs", "n", "5 %", "25 %", "median", "75 %", "95 %"], rows)
    return f"{table}\n\n![EIANet](models/eianet-real.png)\n\n![ECG12Net](models/ecg12net-real.png)"


def _simulated(found: predictions.Predictions) -> dict[str, NDArray[np.float64]]:
    if found.binary:
        return {f"simulated, {name}": found.score[found.truth == c] for c, name in ((0, "controls"), (1, "arrest"))}
    normal = (found.truth > 3.5) & (found.truth < 5.5)
    return {"simulated, 3.5 to 5.5 mmol/L": found.score[normal], "simulated, others": found.score[~normal]}


def _scored(files: list[Path], scorer: Scorer) -> dict[Output, list[float]]:
    seen: dict[Output, list[float]] = {output: [] for output in Output}
    for file in files:
        try:
            ecgs = formats.read_file(file, Reading())
        except Rejected:
            continue
        for answer in (answer for ecg in ecgs for answer in scorer.score(ecg)):
            if isinstance(answer, Score):
                seen[answer.output].append(answer.value)
    return seen


def _quantiles(values: NDArray[np.float64], unit: str) -> list[str]:
    return [f"{tables.decimal(float(q))}{unit}" for q in np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))]


def distribution(path: Path, parts: Mapping[str, NDArray[np.float64]], output: Output) -> None:
    """Plot how estimates are distributed, each part as a share of itself; probabilities by their logarithm."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = {
        name: np.log10(np.maximum(part, SMALLEST)) if output is Output.ARREST else part for name, part in parts.items()
    }
    bins = np.linspace(min(p.min() for p in shown.values()), max(p.max() for p in shown.values()), 41).tolist()
    for (name, part), style in zip(shown.items(), ("-", "--", ":"), strict=True):
        weights = np.full(part.size, 1 / part.size)
        axes.hist(part, bins, weights=weights, histtype="step", linewidth=1.8, linestyle=style, label=name)
    axes.set_xlabel("log10 of the estimated probability" if output is Output.ARREST else "estimate, mmol/L")
    axes.set_ylabel("share of ECGs")
    axes.set_title(f"{output.value}: stand-in, no clinical meaning", fontsize=10)
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=110, metadata={"Software": None})
