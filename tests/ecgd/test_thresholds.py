"""``ecgd thresholds``: what an admin types, on a store with answers in it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.load import load
from config.schema import Store
from domain.finding import Assessment, Output, Score, Severity, Status
from ecgd.cli import app
from ecgd.reload import remember, texts
from ecgd.terminal import INVALID, REFUSED, USAGE, WANTING
from store.database import Database, migrate, open_database
from store.inbox import Inbox
from store.jobs import Jobs
from tests.store.values import arrival, finding, scored

FILE = """# the ED's numbers
thresholds:
  arrest: {{moderate: 0.05, high: {high}}}  # agreed in May

# below: where things lie
state_dir: {folder}
store: {{free_disk_mib: 0}}
"""


def run(config: Path, *arguments: str):
    return CliRunner().invoke(app, ["thresholds", *arguments, "--config", str(config)])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "ecgd.yaml"
    path.write_text(FILE.format(high=0.2, folder=tmp_path))
    return path


@pytest.fixture
def store(config: Path, tmp_path: Path):
    opened = open_database(Store(free_disk_mib=0), tmp_path)
    migrate(opened)
    yield opened
    opened.close()


def in_force(store: Database, config: Path) -> None:
    """What the service does once it has taken the file."""
    remember(store, load(config).thresholds, texts(config), datetime(2026, 5, 1, 8, tzinfo=UTC))


def edited(config: Path, store: Database, old: str, new: str) -> None:
    config.write_text(config.read_text().replace(old, new))
    in_force(store, config)


def test_show_says_the_levels_and_whether_the_service_has_them(config: Path, store: Database) -> None:
    assert "no service has run" in run(config, "show").output
    in_force(store, config)
    shown = run(config, "show").output
    assert "arrest       moderate 0.05  high 0.2" in shown
    assert "in force since 2026-05-01 08:00:00 UTC" in shown
    config.write_text(config.read_text().replace("high: 0.2", "high: 0.3"))
    assert "not taken (yet)" in run(config, "show").output
    facts = json.loads(run(config, "show", "--json").output)
    assert (facts["thresholds"]["arrest"]["high"], facts["sha256"] == facts["in_force"]) == (0.3, False)


def test_show_says_whom_an_override_is_for_and_that_it_has_ended(config: Path, store: Database) -> None:
    override = "{name: o, when: {unit: [ED, ICU], age: {below: 18}, paced: false}, potassium: {severe_high: 7}, "
    override += "owner: head of ED, until: 2020-01-31}"
    config.write_text(config.read_text().replace("  arrest", f"  overrides: [{override}]\n  arrest"))
    shown = run(config, "show").output
    assert "1. o: unit ED or ICU, age 0 to below 18, not paced  ENDED on 2020-01-31: no longer applies" in shown
    assert "     potassium severe_high 7\n     until 2020-01-31; owner: head of ED" in shown


def test_history_has_what_changed_the_latest_first(config: Path, store: Database) -> None:
    in_force(store, config)
    edited(config, store, "high: 0.2", "high: 0.3")
    said = run(config, "history").output.splitlines()
    assert [line.split()[0] for line in said] == ["2", "arrest.high:", "1"]
    assert said[1].strip() == "arrest.high: 0.2 -> 0.3"
    assert [one["number"] for one in json.loads(run(config, "history", "--json").output)] == [2, 1]


def test_undo_puts_the_block_back_as_it_was_written_and_keeps_a_copy(config: Path, store: Database) -> None:
    in_force(store, config)
    before = config.read_text()
    edited(config, store, "high: 0.2}  # agreed in May", "high: 0.3}  # Friday")
    friday = config.read_text()
    done = run(config, "undo")
    assert done.exit_code == 0, done.output
    assert config.read_text() == before
    (copy,) = config.parent.glob("ecgd.yaml.*.bak")
    assert copy.read_text() == friday


def test_undo_after_undo_is_what_was_undone(config: Path, store: Database) -> None:
    in_force(store, config)
    edited(config, store, "high: 0.2", "high: 0.3")
    run(config, "undo")
    in_force(store, config)
    run(config, "undo")
    assert load(config).thresholds.arrest.high == 0.3


@pytest.mark.parametrize("wrong", ["high: 2", "high: [0.2", "hihg: 0.2"])
def test_undo_of_a_wrong_file_brings_back_the_thresholds_in_force(config: Path, store: Database, wrong: str) -> None:
    in_force(store, config)
    before = config.read_text()
    config.write_text(before.replace("high: 0.2", wrong))
    done = run(config, "undo")
    assert (done.exit_code, config.read_text()) == (0, before), done.output


def test_undo_of_a_file_that_is_wrong_elsewhere_says_so(config: Path, store: Database) -> None:
    in_force(store, config)
    edited(config, store, "high: 0.2", "high: 0.3")
    config.write_text(config.read_text() + "nonsense: 1\n")
    done = run(config, "undo")
    assert done.exit_code == INVALID
    assert "nonsense" in done.output
    assert "high: 0.3" in config.read_text()  # 0.3 is in force, and what the file says of it stands


def test_undo_goes_to_any_row_of_the_history(config: Path, store: Database) -> None:
    for old, new in (("", ""), ("0.2}", "0.3}"), ("0.3}", "0.4}")):
        edited(config, store, old, new)
    assert run(config, "undo", "--to", "1").exit_code == 0
    assert load(config).thresholds.arrest.high == 0.2
    assert run(config, "undo", "--to", "9").exit_code == WANTING


def test_undo_writes_through_a_link_and_keeps_the_file_s_mode(config: Path, store: Database, tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(config)
    in_force(store, link)
    edited(config, store, "high: 0.2", "high: 0.3")
    config.chmod(0o640)
    done = run(link, "undo")
    assert (done.exit_code, load(config).thresholds.arrest.high) == (0, 0.2), done.output
    assert (config.stat().st_mode & 0o777, link.is_symlink()) == (0o640, True)


def test_undo_does_not_touch_a_file_when_another_that_it_needs_is_no_longer_included(
    config: Path, store: Database, tmp_path: Path
) -> None:
    own = tmp_path / "ed.yaml"
    own.write_text("thresholds: {overrides: [{name: ed, when: {unit: ED}, arrest: {high: 0.4}}]}\n")
    config.write_text("include: ed.yaml\n" + config.read_text())
    in_force(store, config)
    edited(config, store, "include: ed.yaml\n", "")
    done = run(config, "undo")
    assert (done.exit_code, load(config).thresholds.overrides) == (WANTING, ())
    assert "ed.yaml held some of these thresholds" in done.output


def test_undo_puts_back_what_an_included_file_had(config: Path, store: Database, tmp_path: Path) -> None:
    own = tmp_path / "ed.yaml"
    own.write_text("thresholds: {overrides: [{name: ed, when: {unit: ED}, arrest: {high: 0.4}}]}  # ours\n")
    before = own.read_text()
    config.write_text("include: ed.yaml\n" + config.read_text())
    in_force(store, config)
    own.write_text(before.replace("0.4", "0.9"))
    in_force(store, config)
    main = config.read_text()
    assert run(config, "undo").exit_code == 0
    assert (own.read_text(), config.read_text()) == (before, main)


def test_undo_has_nothing_to_go_back_to_at_first(config: Path, store: Database) -> None:
    in_force(store, config)
    assert run(config, "undo").exit_code == WANTING


def test_status_says_what_is_wrong_with_the_file_and_what_holds_meanwhile(config: Path, store: Database) -> None:
    in_force(store, config)
    config.write_text(config.read_text().replace("high: 0.2", "high: 2"))
    done = CliRunner().invoke(app, ["status", "--config", str(config)])
    assert done.exit_code == 0, done.output
    assert "thresholds.arrest.high (line 3)" in done.output
    assert "stay in force" in done.output


ANSWERS = (0.19, 0.21, 0.26, 0.9)


@pytest.fixture
def answers(store: Database):
    """Four ECGs of the last hours, arrivals 1 to 4."""
    inbox = Inbox(store, same_content=lambda *_: False, settings=Store(free_disk_mib=0))
    jobs = Jobs(store, Store(free_disk_mib=0))
    now = datetime.now(UTC)
    for number, value in enumerate(ANSWERS, start=1):
        inbox.accept(arrival(f"hl7:A^B:{number}")).result(10)
        job = jobs.claim()
        assert job is not None
        score = Score(
            model="m",
            version="1",
            bundle_sha256="b" * 64,
            status=Status.SITE_VALIDATED,
            output=Output.ARREST,
            value=value,
            unit="1",
        )
        one = finding(job.id, key=f"{number:032x}")
        decided = Assessment(score=score, level="normal", severity=Severity.NORMAL)
        at = now - timedelta(hours=5 - number)
        settled = scored(type(one)(**{n: getattr(one, n) for n in KEPT}, assessments=(decided,), decided_at=at))
        assert jobs.settle(job, settled)
    yield
    jobs.close()
    inbox.close()


KEPT = ("key", "arrival_id", "ecg", "abstentions", "thresholds_sha256", "received_at")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "new.yaml"
    path.write_text(
        "thresholds: {arrest: {high: 0.25}, overrides: [{name: ed, when: {unit: ED}, arrest: {high: 0.24}}]}"
    )
    return path


def test_a_replay_names_who_would_be_missed(config: Path, answers: None, new: Path) -> None:
    done = run(config, "replay", "--with", str(new), "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    (unit,) = found["risks"]["arrest"]["units"]
    assert (unit["unit"], unit["ecgs"], unit["now"], unit["then"]) == ("ED", 4, 3, 2)
    assert [day["missed"] for day in found["risks"]["arrest"]["by_day"] if day["missed"]] == [[2]]
    assert found["changes"][0] == "arrest.high: 0.2 -> 0.25"
    said = run(config, "replay", "--with", str(new)).output
    assert "- / 2" in said
    assert "PAT-7" not in said + done.output  # of patients, nothing


def test_a_replay_knows_how_the_thresholds_fare_by_outcomes(config: Path, answers: None, new: Path) -> None:
    outcomes = new.with_name("outcomes.csv")
    outcomes.write_text("arrival,outcome\n1,0\n2,1\n3,0\n4,1\n")
    done = run(config, "replay", "--with", str(new), "--outcomes", str(outcomes), "--json")
    both = json.loads(done.output)["risks"]["arrest"]["outcomes"]
    assert [both[name]["sensitivity"][0] for name in ("now", "then")] == [1.0, 0.5]
    assert [both[name]["ppv"][0] for name in ("now", "then")] == [pytest.approx(2 / 3), 0.5]
    assert (
        "sensitivity        now 1 (0.342 to 1)"
        in run(config, "replay", "--with", str(new), "--outcomes", str(outcomes)).output
    )
    outcomes.write_text("arrival,outcome\n1,7\n")
    assert run(config, "replay", "--with", str(new), "--outcomes", str(outcomes)).exit_code == REFUSED


def test_a_replay_proposes_what_keeps_to_a_budget_and_draws(config: Path, answers: None, tmp_path: Path) -> None:
    png = tmp_path / "plot.png"
    done = run(config, "replay", "--unit", "ED", "--budget", "16/day", "--png", str(png))
    assert done.exit_code == 0, done.output
    assert "arrest: {high: 0.211}" in done.output  # 2 of the 4 in three hours
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--budget", "3/day"),
        ("--budget", "3", "--unit", "ED"),
        ("--budget", "3/day", "--unit", "ED", "--risk", "flu"),
        ("--budget", "3/day", "--unit", "ED", "--since", "long"),
    ],
)
def test_a_replay_that_was_not_asked_properly_says_how(config: Path, store: Database, arguments) -> None:
    assert run(config, "replay", *arguments).exit_code == USAGE


def test_a_replay_of_a_store_without_answers_says_so(config: Path, store: Database, new: Path) -> None:
    assert "no answers of that time" in run(config, "replay", "--with", str(new)).output
