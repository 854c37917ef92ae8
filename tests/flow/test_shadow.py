"""A running worker with a shadow model: everything is scored twice, nobody hears of it, and its death is survived."""

import os
import shutil
import signal
from pathlib import Path

import psutil
import sqlalchemy as sa

from config.load import load
from ecgd.operate import opened
from inference.bundle import STAND_INS
from store.answers import kept
from store.tables import alerts
from tests.flow import ecgs
from tests.flow.harness import installed, until


def _children(ecgd) -> list[psutil.Process]:
    worker = psutil.Process(ecgd.processes["work"].popen.pid)
    return [one for one in worker.children() if "ecgd.shadow" in one.cmdline()]


def test_a_worker_scores_in_the_shadow_and_survives_the_death_of_its_shadow(tmp_path) -> None:
    following = Path(shutil.copytree(STAND_INS[0], tmp_path / "next"))
    (following / "card.md").write_text("the next version")
    (tmp_path / "site").mkdir()
    models = {
        "bundles": [str(STAND_INS[0]), {"path": str(following), "mode": "shadow"}],
        "allow_stand_in": True,
        "shadow_wait_s": 30,
    }
    told = {"webhooks": [{"name": "pager", "url": "http://127.0.0.1:9/"}]}
    thresholds = {"arrest": {"moderate": 0.0, "high": 0.0}}  # everybody is critical
    with installed(tmp_path / "site", "listen", "work", models=models, alerts=told, thresholds=thresholds) as ecgd:
        until(lambda: ecgd.events("shadow models"), 120, "the shadow is loaded")
        ecgd.drop(ecgs.dicom(8100))
        until(lambda: len(ecgd.events("settled")) == 1, 120, "the first is settled")
        (alive,) = _children(ecgd)
        os.kill(alive.pid, signal.SIGKILL)
        ecgd.drop(ecgs.dicom(8101))
        until(lambda: len(ecgd.events("settled")) == 2, 120, "the second is settled")
        assert [one["outcome"] for one in ecgd.events("settled")] == ["scored", "scored"]
        assert ecgd.events("shadow models gone")
        assert ecgd.stop() == {"listen": 0, "work": 0}
        with opened(load(ecgd.config)) as database:
            assert sorted((one.mode.value, one.answers) for one in kept(database)) == [("alert", 2), ("shadow", 1)]
            with database.read() as connection:
                assert connection.execute(sa.select(sa.func.count()).select_from(alerts)).scalar() == 2
    left = [one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])]
    assert not [one for one in left if str(following) in " ".join(one)]
