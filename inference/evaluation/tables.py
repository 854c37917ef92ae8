"""The papers' tables in Markdown, their rows and columns in their order and by their names."""

from collections.abc import Mapping, Sequence
from typing import Any

from inference.evaluation.potassium import FIVE

Report = Mapping[str, Any]

ABLATION = {
    "Accuracy": "accuracy",
    "Recall": "recall",
    "Precision": "precision",
    "F1-score": "f1",
    "AUROC": "auroc",
    "AUPRC": "auprc",
}
COMPARISON = {
    "Positive rate": "positive_rate",
    "Accuracy": "accuracy",
    "Recall": "recall",
    "Precision": "precision",
    "Specificity": "specificity",
    "AUROC": "auroc",
}
CALIBRATION = {
    "Brier score": "brier",
    "Observed by expected": "observed_by_expected",
    "Slope": "calibration_slope",
    "Intercept": "calibration_intercept",
    "In the large": "calibration_in_the_large",
}
ESTIMATE = {
    "MAE": "mae",
    "MAE of the constant": "mae_constant",
    "RMSE": "rmse",
    "R2": "r2",
    "Pearson": "pearson",
    "Bias": "bias",
    "Kappa, three classes": "kappa_three",
    "Kappa, five classes": "kappa_five",
}
DYSKALEMIA = {
    "Sensitivity, overall": "sensitivity",
    "Sensitivity, severe": "sensitivity_severe",
    "Sensitivity, mild to moderate": "sensitivity_mild_to_moderate",
    "Specificity": "specificity",
    "Balance accuracy": "balanced_accuracy",
}
SIDES = {"hypokalemia": "Hypokalemia (K+ ≤ 3.5 mmol/L)", "hyperkalemia": "Hyperkalemia (K+ ≥ 5.5 mmol/L)"}
CUTS = {
    "severe_hypokalemia": "Severe hypokalemia (K+ ≤ 2.5)",
    "hypokalemia": "Hypokalemia (K+ ≤ 3.5)",
    "hyperkalemia": "Hyperkalemia (K+ ≥ 5.5)",
    "severe_hyperkalemia": "Severe hyperkalemia (K+ ≥ 6.5)",
}


def figures(reports: Mapping[str, Report], columns: Mapping[str, str], corner: str) -> str:
    """A row a model, a column a figure with its interval: EIANet tables 3, 4, 5 and 6 by their columns."""
    rows = [[name, *(cell(report, key) for key in columns.values())] for name, report in reports.items()]
    return markdown([corner, *columns], rows)


def cell(report: Report, key: str) -> str:
    """``0.843 (0.801-0.880)``, as ECG12Net's table 2 writes it; a dash where the figure is undefined."""
    value, interval = report.get(key), report.get(f"{key}_ci")
    if value is None:
        return "–"
    if not interval:
        return decimal(value)
    low, high = map(decimal, interval)
    return f"{decimal(value)} ({low}{' to ' if low.startswith('-') else '-'}{high})"


def decimal(value: float) -> str:
    """Three decimals, or three digits where those would show nothing."""
    return f"{value:.3f}" if abs(value) >= 0.01 or value == 0 else f"{value:.3g}"


def table_7(reports: Mapping[str, Report]) -> str:
    """EIANet table 7: the ablation where the ill are rarer, means over the samples."""
    rows = []
    ratios = [entry["ratio"] for entry in next(iter(reports.values()))["imbalance"]]
    for place, ratio in enumerate(ratios):
        rows.append([f"**Positive ratio of {ratio:g}**", *[""] * len(ABLATION)])
        for name, report in reports.items():
            entry = report["imbalance"][place]
            rows.append([name, *("–" if entry[key] is None else decimal(entry[key]) for key in ABLATION.values())])
    return markdown(["Modules", *ABLATION], rows)


def table_2(entries: Mapping[str, Report]) -> str:
    """ECG12Net table 2: who (readers, then models) found how much of either dyskalemia."""
    rows = []
    for side, title in SIDES.items():
        rows.append([f"**{title}**", *[""] * len(DYSKALEMIA)])
        rows += [
            [name, *(cell(entry, f"{key}_{side}") for key in DYSKALEMIA.values())] for name, entry in entries.items()
        ]
    return markdown(["Type of dyskalemia", *DYSKALEMIA], rows)


def cuts(reports: Mapping[str, Report]) -> str:
    """ECG12Net figure 2 in numbers: the areas at the four cuts, from the estimate in mmol/L."""
    rows = []
    for cut, title in CUTS.items():
        for name, report in reports.items():
            rows.append([title, name, cell(report, f"auroc_{cut}"), cell(report, f"auprc_{cut}")])
    return markdown(["Type of dyskalemia", "Model", "AUC", "AUPRC"], rows)


def sides(reports: Mapping[str, Report]) -> str:
    """Sensitivity, specificity, PPV and NPV on the test set as it is, as ECG12Net's text reports them."""
    rows = [
        [title, name, *(cell(report, f"{key}_{side}") for key in ("sensitivity", "specificity", "ppv", "npv"))]
        for side, title in SIDES.items()
        for name, report in reports.items()
    ]
    return markdown(["Type of dyskalemia", "Model", "Sensitivity", "Specificity", "PPV", "NPV"], rows)


def predictive(reports: Mapping[str, Report]) -> str:
    """PPV and NPV at each stated prevalence; empty when none was stated."""
    rows = []
    for name, report in reports.items():
        for key in report:
            what, _, share = key.partition("_at_")
            if what.startswith("ppv") and not share.endswith("_ci") and share:
                found = what.removeprefix("ppv").lstrip("_") or "cardiac arrest"
                rows.append([name, found, share, cell(report, key), cell(report, f"npv{key[3:]}")])
    return markdown(["Model", "Of", "Prevalence", "PPV", "NPV"], rows) if rows else ""


def classes(report: Report) -> str:
    """ECG12Net figure 3 in numbers: true class by row, predicted by column."""
    rows = [
        [f"{title} ({bound})", *map(str, counts), str(sum(counts))]
        for title, bound, counts in zip(FIVE, report["classes"], report["class_table"], strict=True)
    ]
    return markdown(["True \\ predicted", *report["classes"], "All"], rows)


def subgroups(report: Report) -> str:
    """Every group of a report; those too small are listed with their size only."""
    entries: Sequence[Report] = report["subgroups"]
    known = {key for entry in entries for key in entry}
    sizes = [key for key in ("n", "patients", "positives", "hypokalemia", "hyperkalemia") if key in known]
    measured = list(dict.fromkeys(key.removesuffix("_ci") for entry in entries for key in entry if key.endswith("_ci")))
    rows = []
    for entry in entries:
        cells = [cell(entry, key) for key in measured] if entry["scored"] else ["too few", *[""] * (len(measured) - 1)]
        rows.append([entry["column"], entry["group"], *(str(entry[key]) for key in sizes), *cells[: len(measured)]])
    return markdown(["By", "Group", *map(spelt, sizes), *map(spelt, measured)], rows)


def mcnemar(report: Report) -> str:
    """Where model and reader disagree, who is right (exact McNemar test)."""
    rows = []
    for entry in report["readers"]["readers"]:
        for name, test in entry["mcnemar"].items():
            p = "<.001" if test["p"] < 0.001 else f"{test['p']:.3f}"
            rows.append([entry["reader"], name, str(test["only_model_right"]), str(test["only_reader_right"]), p])
    return markdown(["Reader", "Cases", "Only the model right", "Only the reader right", "P"], rows)


def spelt(key: str) -> str:
    """A figure's key as a heading."""
    shown = {"auroc": "AUROC", "auprc": "AUPRC", "mae": "MAE", "n": "ECGs"}
    words = [shown.get(word, word) for word in key.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text; a bar inside a cell is escaped."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)
