"""The rules of the house that no single room can keep: directions, names, the runbook, what the wheel carries."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from domain.reason import Reason

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_imports_go_one_way_only():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_no_installed_distribution_claims_one_of_our_names():
    owners = packages_distributions()
    claims = {room: set(owners.get(room, ())) - {"ecgd"} for room in ROOMS}
    assert not {room: others for room, others in claims.items() if others}


def test_every_top_level_package_is_built_and_every_built_one_is_linted():
    here = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert here - {"tests"} == set(ROOMS)
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == set(ROOMS)
    assert set(PROJECT["tool"]["mypy"]["packages"]) == set(ROOMS)


@pytest.mark.parametrize("reason", list(Reason), ids=str)
def test_the_runbook_has_a_line_for_every_reason(reason):
    lines = (ROOT / "docs" / "runbook.md").read_text().splitlines()
    assert any(re.search(rf"`{reason.value}`", line) for line in lines)


def test_errors_are_caught_broadly_in_the_loop_only():
    broad = re.compile(r"^\s*except\s*(\(?\s*(Base)?Exception\b.*)?:", re.MULTILINE)
    rooms = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert [path.relative_to(ROOT).as_posix() for path in rooms if broad.search(path.read_text())] == ["ecgd/loop.py"]


def test_no_machine_s_paths_are_written_down():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout: nothing says which files are ours")
    texts = (ROOT / name for name in listed.stdout.split() if Path(name).suffix in {".py", ".md", ".yaml", ".toml", ""})
    elsewhere = re.compile(r"(?<![\w./])/(home/\w+|root|work)/")
    assert [str(path) for path in texts if path.is_file() and elsewhere.search(path.read_text(errors="ignore"))] == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> set[str]:
    """The names in a freshly built wheel; hatchling is needed, not the network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (built,) = folder.glob("ecgd-*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize(
    "pattern",
    [
        r"config/ecgd\.yaml",
        r"store/migrations/env\.py",
        r"store/migrations/versions/\w+\.py",
        r"inference/bundles/eianet-stand-in/(model\.safetensors|bundle\.yaml|card\.md)",
        r"inference/bundles/ecg12net-stand-in/(model\.safetensors|bundle\.yaml|card\.md)",
        r"ecgd-[^/]+\.dist-info/entry_points\.txt",
    ],
)
def test_the_wheel_carries_what_the_service_needs(wheel, pattern):
    expected = 3 if "(" in pattern else 1
    assert len([name for name in wheel if re.fullmatch(pattern, name)]) >= expected


def test_the_wheel_carries_nothing_of_the_tests(wheel):
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.startswith("ecgd-")} == set(ROOMS)
