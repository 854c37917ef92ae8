"""``ecgd explain``: one model's answer for one ECG, drawn."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.schema import ModelBundle, Settings
from ecgd.terminal import DEFAULT, REFUSED, USAGE, WANTING, Config, File, end, settings_or_defaults, starting

if TYPE_CHECKING:  # numpy is loaded by who explains, not by every command
    from domain.ecg import Ecg
    from domain.finding import Abstention, Assessment, Score


def command(
    file: File,
    model: Annotated[str, typer.Option(help="A configured model's name, or the folder of its bundle.")],
    png: Annotated[Path, typer.Option(help="Write the drawing here.")],
    part: Annotated[int, typer.Option(min=1, help="Which ECG of a file that holds several.")] = 1,
    config: Config = DEFAULT,
) -> None:
    """Draw where a model looked on an ECG, and print its score as JSON; an abstention ends with 3 and no drawing."""
    from adapters import paper
    from domain.context import context_of
    from domain.finding import Abstention
    from ecgd import byhand, drawings
    from inference.decide import assess

    settings = settings_or_defaults(config)
    ecg, parts = byhand.chosen(file, part, settings)
    with starting():
        answer = _answer(ecg, _bundle(model, settings), settings)
    if isinstance(answer, Abstention):
        where = f" ({', '.join(answer.leads)})" if answer.leads else ""
        end(REFUSED, f"{file}: {answer.model} abstains: {answer.reason}{where}")
    now = datetime.now(UTC)
    assessment = assess(answer, settings.thresholds, context_of(ecg, "", now, now))
    drawn = drawings.drawing(ecg, assessment)
    if drawn is None:
        end(WANTING, f"{file}: {answer.model} gave a score but no finite explanation")
    try:
        png.write_bytes(paper.png(drawn))
    except OSError as error:
        end(USAGE, f"{png}: cannot be written ({error.strerror})")
    print(json.dumps({"file": str(file), "part": part, "parts": parts, **_told(assessment), "png": str(png)}))


def _bundle(model: str, settings: Settings) -> Path:
    """A folder, or the configured or packaged bundle of that name."""
    from inference import bundle

    if Path(model).is_dir():
        return Path(model)
    paths = [one.path for one in settings.models.bundles] or bundle.STAND_INS
    known = {bundle.load(path).facts.name: path for path in paths}
    if model not in known:
        end(USAGE, f"no model {model}: name one of {', '.join(known)}, or the folder of a bundle")
    return Path(known[model])


def _answer(ecg: "Ecg", path: Path, settings: Settings) -> "Score | Abstention":
    from inference.scorer import Scorer

    models = settings.models.only(ModelBundle(path=path)).model_copy(update={"explain": True})
    (answer,) = Scorer(models).score(ecg)
    return answer


def _told(assessment: "Assessment") -> dict[str, Any]:
    from domain.ecg import LEADS
    from domain.explanation import LeadHeat
    from ecgd import facts

    explanation = assessment.score.explanation
    told = {**facts.shown_answer(assessment.score), "level": assessment.level}
    if isinstance(explanation, LeadHeat) and explanation.attention is not None:
        weights = (round(float(weight), 4) for weight in explanation.attention)
        told["attention"] = dict(zip(LEADS, weights, strict=True))
    return told
