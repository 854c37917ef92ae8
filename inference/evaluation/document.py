"""The whole of an evaluation as one Markdown text."""

from collections.abc import Iterator, Mapping
from typing import Any

from inference.evaluation import tables
from inference.evaluation.tables import Report


def document(reports: Mapping[str, Report], pictures: Mapping[str, str] | None = None) -> str:
    """Every table of reports of one kind; ``pictures``: titles and file names to show after them."""
    first = next(iter(reports.values()))
    note = first.get("note", "")
    lines = [f"# Evaluation{f': {note}' if note else ''}", _data(reports)]
    sections = _arrest(reports) if first["output"] == "arrest" else _potassium(reports)
    for title, text in sections:
        lines += [f"## {title}{f' ({note})' if note else ''}", text]
    for title, file in (pictures or {}).items():
        lines += [f"## {title}{f' ({note})' if note else ''}", f"![{title}]({file})"]
    lines += _notes(reports)
    return "\n\n".join(lines) + "\n"


def _data(reports: Mapping[str, Report]) -> str:
    if any("class_counts" in report for report in reports.values()):
        counts = {name: report["class_counts"] for name, report in reports.items()}
        ill = {name: [str(sum(count[:2])), str(sum(count[3:]))] for name, count in counts.items()}
        heading = ["Hypokalemia", "Hyperkalemia"]
    else:
        ill = {name: [str(report["positives"]), f"{report['positive_rate']:.4g}"] for name, report in reports.items()}
        heading = ["Positives", "Positive rate"]
    rows = [[name, str(report["n"]), str(report["patients"]), *ill[name]] for name, report in reports.items()]
    return tables.markdown(["Model", "ECGs", "Patients", *heading], rows)


def _arrest(reports: Mapping[str, Report]) -> Iterator[tuple[str, str]]:
    several = len(reports) > 1
    yield "Performance", tables.figures(reports, tables.ABLATION, "Modules" if several else "Method")
    yield "Comparison at the data's own positive rate", tables.figures(reports, tables.COMPARISON, "Method")
    yield "Thresholds", _thresholds(reports)
    if any("brier" in report for report in reports.values()):
        yield "Calibration", tables.figures(reports, tables.CALIBRATION, "Method")
    if table := tables.predictive(reports):
        yield "Predictive values at a stated prevalence", table
    if all("imbalance" in report for report in reports.values()):
        times = next(iter(reports.values()))["imbalance"][0]["times"]
        yield f"Varying class imbalance, means of {times} resamplings", tables.table_7(reports)
    yield from _common(reports)


def _potassium(reports: Mapping[str, Report]) -> Iterator[tuple[str, str]]:
    constants = ", ".join(f"{report['constant']:.2f}" for report in reports.values())
    yield (
        f"Estimate, mmol/L (the constant: median of the truth, {constants})",
        tables.figures(reports, tables.ESTIMATE, "Model"),
    )
    yield "Sensitivity per severity, specificity, balance accuracy", tables.table_2(reports)
    yield "Areas at the four cuts", tables.cuts(reports)
    yield "Predictive values on these data", tables.sides(reports)
    if table := tables.predictive(reports):
        yield "Predictive values at a stated prevalence", table
    for name, report in reports.items():
        yield f"Classes, {name}", tables.classes(report)
    yield from _common(reports)


def _common(reports: Mapping[str, Report]) -> Iterator[tuple[str, str]]:
    for name, report in reports.items():
        if report["subgroups"]:
            yield f"Subgroups, {name}", tables.subgroups(report)
        if "readers" in report:
            yield f"Readers beside {name}", _readers(name, report)
            yield f"Disagreements with {name} (McNemar)", tables.mcnemar(report)


def _readers(name: str, report: Report) -> str:
    entries = {entry["reader"]: entry for entry in report["readers"]["readers"]} | {name: report["readers"]["model"]}
    if report["output"] == "potassium":
        return tables.table_2(entries)
    columns = {"Sensitivity": "recall", "Specificity": "specificity", "Balance accuracy": "balanced_accuracy"}
    return tables.figures(entries, columns, "Reader")


def _thresholds(reports: Mapping[str, Report]) -> str:
    rows = []
    for name, report in reports.items():
        cells = report["confusion"]
        counts = [str(cells[key]) for key in ("tp", "fp", "fn", "tn")]
        rows.append([name, f"{report['threshold']:.6g}", report["threshold_rule"], *counts])
    return tables.markdown(["Method", "Threshold", "Rule", "TP", "FP", "FN", "TN"], rows)


def _notes(reports: Mapping[str, Report]) -> list[str]:
    said: dict[str, None] = {}
    for name, report in reports.items():
        drawn: Mapping[str, Any] = report["bootstrap"]
        said[
            f"In brackets: {drawn['interval']} intervals of {drawn['resamples']} bootstrap resamples "
            f"by {drawn['unit']} (seed {drawn['seed']})."
        ] = None
        for figure, count in drawn["left_out"].items():
            said[f"{name}: {figure} is undefined in {count} resamples, which its interval leaves out."] = None
        said |= dict.fromkeys(f"{name}: {note}." for note in report["notes"])
        left_out: Mapping[str, int] = report.get("left_out", {})
        if left_out:
            reasons = ", ".join(f"{reason} ({count})" for reason, count in left_out.items())
            said[f"{name}: {sum(left_out.values())} line(s) of the manifest were left out: {reasons}."] = None
    return ["## Notes", "\n".join(f"- {line}" for line in said)]
