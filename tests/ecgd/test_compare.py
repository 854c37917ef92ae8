"""``ecgd models list`` and ``ecgd models compare`` on a store with a real model and its shadow."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from config.load import load
from domain.ecg import Identifier, Order, Patient
from domain.finding import Assessment, Finding, Output, Score, Severity, Status
from domain.mode import Mode
from ecgd.cli import app
from ecgd.operate import opened
from inference import bundle
from store.inbox import Inbox
from store.jobs import Jobs
from tests.store.values import arrival, finding, scored

NOW = datetime.now(UTC)
POTASSIUM = bundle.STAND_INS[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Sixty ECGs of thirty people; the shadow is 0.3 mmol/L higher."""
    folder = tmp_path_factory.mktemp("site")
    following = Path(shutil.copytree(POTASSIUM, folder / "next"))
    manifest = yaml.safe_load((following / "bundle.yaml").read_text())
    (following / "bundle.yaml").write_text(yaml.safe_dump(manifest | {"version": "next"}))
    config = folder / "ecgd.yaml"
    bundles = [str(POTASSIUM), {"path": str(following), "mode": "shadow"}]
    config.write_text(yaml.safe_dump({"state_dir": str(folder), "models": {"bundles": bundles}}))
    real, shadow = bundle.load(POTASSIUM), bundle.load(following)
    settings = load(config)
    clock = [NOW]
    with opened(settings) as database:
        inbox = Inbox(database, same_content=lambda *_: False, settings=settings.store, clock=lambda: clock[0])
        jobs = Jobs(database, settings.store, lambda: clock[0])
        for number, value in enumerate(np.linspace(2.0, 7.0, 60).round(2).tolist()):
            clock[0] = NOW - timedelta(hours=60 - number)
            inbox.accept(arrival(f"hl7:A:{number}", b"x%d" % number)).result(30)
            answers = _said(value, real, Mode.ALERT), _said(round(value + 0.3, 2), shadow, Mode.SHADOW)
            job = jobs.claim()
            assert job is not None
            assert jobs.settle(job, scored(_decided(job.id, clock[0], *answers)))
        inbox.close()
        jobs.close()
    return config


def _said(value: float, of: bundle.Bundle, mode: Mode) -> Assessment:
    named = {"model": of.facts.name, "version": of.facts.version, "bundle_sha256": of.sha256}
    score = Score(**named, status=Status.STAND_IN, output=Output.POTASSIUM, value=value, unit="mmol/L", mode=mode)
    grave = value >= 6.5 or value <= 2.5
    level = "severe_high" if value >= 6.5 else "severe_low" if grave else "normal"
    return Assessment(score=score, level=level, severity=Severity.CRITICAL if grave else Severity.NORMAL)


def _decided(number: int, now: datetime, told: Assessment, aside: Assessment) -> Finding:
    one = finding(number, key=f"{number:032x}")
    patient = Patient(identifiers=(Identifier(value=f"P{number // 2}", authority="H", type="MR"),))
    ecg = replace(one.ecg, patient=patient, order=Order(location="ED" if number % 2 else "ICU"))
    return replace(one, ecg=ecg, assessments=(told,), shadow=(aside,), decided_at=now)


def run(*arguments: object):
    done = CliRunner().invoke(app, list(map(str, arguments)))
    return done.exit_code, done.output


def test_bundles_are_listed_with_their_mode_and_what_is_kept_of_them(site: Path) -> None:
    code, said = run("models", "list", "-c", site)
    real, shadow = said.splitlines()
    assert code == 0
    assert ("  stand-in " in real, " alert " in real) == (True, True)
    assert "60 answers" in real
    assert ("next" in shadow, "shadow" in shadow, "60 answers" in shadow) == (True, True, True)
    listed = json.loads(run("models", "list", "--json", "-c", site)[1])
    assert [(one["mode"], one["configured"], one["output"]) for one in listed] == [
        ("alert", True, "potassium"),
        ("shadow", True, "potassium"),
    ]


def test_two_models_of_one_name_are_compared_by_version_or_hash(site: Path) -> None:
    name = bundle.load(POTASSIUM).facts.name
    code, said = run("models", "compare", f"{name}@{bundle.load(POTASSIUM).facts.version}", f"{name}@next", "-c", site)
    assert code == 0
    assert "60 ECGs answered by both, 0 by A only, 0 by B only" in said
    assert said.count("stand-in: no clinical meaning") == 2
    code, said = run("models", "compare", name, f"{name}@next", "-c", site)
    assert (code, "several bundles are so called" in said) == (2, True)
    code, said = run("models", "compare", "nobody", f"{name}@next", "-c", site)
    assert (code, "no such model" in said) == (2, True)
    same = bundle.load(POTASSIUM).sha256[:10]
    assert run("models", "compare", same, same, "-c", site)[0] == 2


def compared(site: Path, *more: object) -> dict:
    first = bundle.load(POTASSIUM).sha256[:10]
    second = bundle.load(site.parent / "next").sha256[:10]
    code, said = run("models", "compare", first, second, "--json", "-c", site, *more)
    assert code == 0, said
    return json.loads(said)


def test_agreement_and_the_alerts_that_would_differ_are_told(site: Path) -> None:
    found = compared(site)
    assert found["agreement"]["mean_difference"] == pytest.approx(0.3)
    assert (found["agreement"]["limit_low"], found["agreement"]["limit_high"]) == pytest.approx((0.3, 0.3))
    assert found["agreement"]["correlation"] == pytest.approx(1.0)
    assert np.sum(found["levels"]["a_by_b"]) == 60
    values = np.linspace(2.0, 7.0, 60).round(2)
    first, second = ((side >= 6.5) | (side <= 2.5) for side in (values, (values + 0.3).round(2)))
    assert [one["arrival"] for one in found["alerts"]["differing"]] == (np.flatnonzero(first != second) + 1).tolist()
    whole = found["alerts"]["per_unit"][-1]
    assert (whole["unit"], whole["a"], whole["b"]) == ("*", first.sum(), second.sum())
    assert sum(one["only_b"] for one in found["alerts"]["per_day"]) == (second & ~first).sum()
    assert found["outcomes"] is None


def test_only_what_was_decided_since_then_counts(site: Path) -> None:
    assert compared(site, "--since", "12h")["both"] == 11  # one an hour, the last an hour ago
    code, said = run("models", "compare", "a", "b", "--since", "long ago", "-c", site)
    assert (code, "write 30d, 12h" in said) == (2, True)


def test_known_outcomes_say_how_well_each_is(site: Path, tmp_path: Path) -> None:
    values = np.linspace(2.0, 7.0, 60).round(2)
    lines = [f"{number},{value + 0.1:.2f}" for number, value in enumerate(values, start=1)]
    (tmp_path / "laboratory.csv").write_text("\n".join(["arrival,potassium", *lines, "999,4.0"]))
    found = compared(site, "--outcomes", tmp_path / "laboratory.csv")["outcomes"]
    assert found["known"] == 60
    assert (found["a"]["bias"], found["b"]["bias"]) == (pytest.approx(-0.1), pytest.approx(0.2))
    assert (found["a"]["mae"], found["b"]["mae"]) == (pytest.approx(0.1), pytest.approx(0.2))
    (tmp_path / "laboratory.csv").write_text("arrival,potassium\n1,a\n")
    sides = (bundle.load(POTASSIUM).sha256[:10], bundle.load(site.parent / "next").sha256[:10])
    code, said = run("models", "compare", *sides, "--outcomes", tmp_path / "laboratory.csv", "-c", site)
    assert (code, "line 2: potassium is no number" in said) == (3, True)


def test_words_for_a_terminal_hold_the_same(site: Path, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("arrival,potassium\n1,4.4\n")
    first, second = bundle.load(POTASSIUM).sha256[:10], bundle.load(site.parent / "next").sha256[:10]
    code, said = run("models", "compare", first, second, "--outcomes", tmp_path / "few.csv", "-c", site)
    assert code == 0
    for words in ("mean of B - A      0.300", "weighted kappa", "arrival ", "cannot be judged", "all "):
        assert words in said, said
