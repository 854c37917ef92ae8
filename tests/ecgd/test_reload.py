"""What the service does when somebody edits its configuration; each look is one of its looks, a second apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.load import load
from config.thresholds import Thresholds
from domain.errors import Transient
from domain.reason import Reason
from ecgd.reload import Reload
from tests.conftest import Clock

GOOD = "thresholds:\n  arrest: {moderate: 0.05, high: 0.2}  # as it was\nhealth: {work_port: 0}\n"


@dataclass
class Service:
    path: Path
    clock: Clock
    kept: list[tuple[float, Mapping[str, str | None]]] = field(default_factory=list)
    invalid: list[int] = field(default_factory=list)
    restart: list[tuple[str, ...]] = field(default_factory=list)
    away: bool = False

    def start(self) -> "Service":
        self.reload = Reload(
            self.path,
            load(self.path),
            keep=self.keep,
            clock=self.clock,
            invalid=self.invalid.append,
            restart=self.restart.append,
        )
        return self

    def keep(self, thresholds: Thresholds, texts: Mapping[str, str | None]) -> None:
        if self.away:
            raise Transient(Reason.STORE_UNAVAILABLE)
        self.kept.append((thresholds.arrest.high, texts))

    def high(self) -> float:
        return self.reload.in_force().arrest.high

    def write(self, text: str, looks: int = 2) -> None:
        self.path.write_text(text)
        for _ in range(looks):
            self.reload.look()


@pytest.fixture
def service(tmp_path: Path, clock: Clock) -> Service:
    path = tmp_path / "ecgd.yaml"
    path.write_text(GOOD)
    started = Service(path, clock).start()
    started.reload.look()
    started.reload.look()
    return started


def test_what_the_service_started_with_is_kept(service: Service) -> None:
    assert service.kept == [(0.2, {"ecgd.yaml": GOOD.splitlines(keepends=True)[0] + GOOD.splitlines(keepends=True)[1]})]


def test_new_thresholds_are_in_force_once_the_file_has_come_to_rest(service: Service) -> None:
    service.write(GOOD.replace("0.2}", "0.3}"), looks=1)
    assert service.high() == 0.2
    with capture_logs() as logs:
        service.reload.look()
    assert service.high() == 0.3
    assert [high for high, _ in service.kept] == [0.2, 0.3]
    (said,) = [line for line in logs if line["event"] == "thresholds"]
    assert said["changes"] == ["arrest.high: 0.2 -> 0.3"]
    assert len(said["sha256"]) == 64
    assert said["sha256"] != said["before"]


def test_half_a_file_is_not_taken_for_a_whole_one(service: Service) -> None:
    service.write(GOOD.replace("0.2}", "0.3}")[:15], looks=1)  # valid: defaults
    service.write(GOOD.replace("0.2}", "0.4}"), looks=1)
    assert service.high() == 0.2
    service.reload.look()
    assert service.high() == 0.4


@pytest.mark.parametrize("wrong", [GOOD.replace("0.2}", "2}"), GOOD.replace("}", "", 1), "", "   \n"])
def test_a_wrong_file_leaves_the_last_good_thresholds_in_force_and_is_told(service: Service, wrong: str) -> None:
    with capture_logs() as logs:
        service.write(wrong)
        service.reload.look()
    assert service.high() == 0.2
    assert service.invalid == [1]
    (told,) = [line for line in logs if line["event"] == "configuration invalid"]
    assert (told["log_level"], len(told["mistakes"])) == ("error", 1)
    assert len(service.kept) == 1


def test_a_file_that_is_gone_is_wrong_and_one_that_comes_back_is_right_again(service: Service) -> None:
    service.path.unlink()
    service.reload.look()
    service.reload.look()
    assert (service.invalid, service.high()) == ([1], 0.2)
    service.write(GOOD)
    assert (service.invalid, service.high()) == ([1, 0], 0.2)
    assert len(service.kept) == 1


def test_a_wrong_file_is_told_of_again_until_it_is_mended(service: Service) -> None:
    service.write("nonsense: 1\n")
    service.clock.pass_s(599)
    service.reload.look()
    assert service.invalid == [1]
    service.clock.pass_s(1)
    with capture_logs() as logs:
        service.reload.look()
        service.reload.look()
    assert [line["event"] for line in logs] == ["configuration invalid"]


def test_a_file_that_was_wrong_and_is_right_with_other_thresholds_brings_them(service: Service) -> None:
    service.write("nonsense: 1\n")
    service.write(GOOD.replace("0.2}", "0.6}"))
    assert (service.invalid, service.high()) == ([1, 0], 0.6)


def test_a_link_that_points_elsewhere_is_a_change(service: Service, tmp_path: Path) -> None:
    """As Kubernetes swaps a ConfigMap: the file is a link through a link to a folder."""
    for name, high in (("first", "0.2}"), ("second", "0.7}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ecgd.yaml").write_text(GOOD.replace("0.2}", high))
    (tmp_path / "data").symlink_to("first")
    linked = tmp_path / "linked.yaml"
    linked.symlink_to("data/ecgd.yaml")
    mapped = Service(linked, service.clock).start()
    mapped.reload.look()
    mapped.reload.look()
    (tmp_path / "new").symlink_to("second")
    (tmp_path / "new").replace(tmp_path / "data")
    mapped.reload.look()
    mapped.reload.look()
    assert mapped.high() == 0.7


def test_an_edit_between_loading_and_watching_is_seen(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "ecgd.yaml"
    path.write_text(GOOD)
    service = Service(path, clock)
    settings = load(path)
    path.write_text(GOOD.replace("0.2}", "0.3}"))
    service.reload = Reload(path, settings, keep=service.keep, clock=clock)
    service.reload.look()
    service.reload.look()
    assert service.high() == 0.3


def test_other_sections_wait_for_a_restart_and_are_named(service: Service) -> None:
    with capture_logs() as logs:
        service.write(GOOD.replace("work_port: 0", "work_port: 1") + "logging: {level: debug}\n")
    assert service.restart == [("health", "logging")]
    assert [(line["event"], line["sections"]) for line in logs] == [("needs a restart", ["health", "logging"])]
    service.write(GOOD)
    assert service.restart[-1] == ()


def test_thresholds_that_another_file_brings_are_in_force_without_a_restart(service: Service, tmp_path: Path) -> None:
    own = tmp_path / "ed.yaml"
    own.write_text("thresholds: {overrides: [{name: ed, when: {unit: ED}, arrest: {high: 0.4}}]}\n")
    service.write("include: ed.yaml\n" + GOOD)
    assert [one.name for one in service.reload.in_force().overrides] == ["ed"]
    own.write_text(own.read_text().replace("0.4", "0.5"))
    service.reload.look()
    service.reload.look()
    assert service.reload.in_force().overrides[0].arrest.high == 0.5
    assert list(service.kept[-1][1]) == ["ecgd.yaml", "ed.yaml"]
    assert service.restart == []


def test_what_the_store_could_not_keep_is_kept_later_and_holds_meanwhile(service: Service) -> None:
    service.away = True
    service.path.write_text(GOOD.replace("0.2}", "0.3}"))
    service.reload.look()
    with pytest.raises(Transient):
        service.reload.look()
    assert service.high() == 0.3
    service.away = False
    service.reload.look()
    assert [high for high, _ in service.kept] == [0.2, 0.3]
