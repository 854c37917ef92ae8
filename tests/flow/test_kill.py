"""SIGKILL any role at any instant: nothing acknowledged is lost, nothing arrives twice, also of what has two doors.

``ECGD_KILL_ROUNDS`` rounds (1, in the gate 20) from ``ECGD_KILL_SEED``; a round's seed is in its test's name.
"""

import os
import random
import time
from functools import partial

import pytest

from tests.flow import ecgs, senders
from tests.flow.harness import installed, until
from tests.flow.killer import Killer
from tests.flow.patient_senders import Pace, Tally, acknowledge_all, all_at_once, drop_all, store_all
from tests.flow.received import findings, whole_and_once

ROUNDS = int(os.environ.get("ECGD_KILL_ROUNDS", "1"))
FIRST = int(os.environ.get("ECGD_KILL_SEED") or random.SystemRandom().randrange(1_000_000))
ECGS = 200
COPIES = 20  # of the objects, as messages at the same time: whichever is first is scored, the other is the same ECG
KILLS = {"listen": 4, "work": 1, "work#2": 1, "deliver": 3}
LIVES_S = {"listen": 1.5, "work": 8.0, "work#2": 8.0, "deliver": 5.0}
SETTINGS = {
    "store": {
        "lease_s": 1,
        "max_attempts": 100,
    },  # short, so that a round is; many, so that kills alone never quarantine
    "models": {"explain": False},  # drawing takes a fifth of a round, and no transaction
    "delivery": {"first_wait_s": 0.05, "longest_wait_s": 0.5},
    "health": {"listen_port": 0, "work_port": 0, "deliver_port": 0},
}


@pytest.fixture(scope="module")
def sents():
    """Payloads by door: 120 objects, 60 messages, 20 files; 200 different patients and signals; and the copies."""
    small = partial(map, partial(ecgs.dicom, seconds=5.0))
    return {
        "dicom": [list(small(range(0, 60))), list(small(range(60, 120)))],
        "hl7": [
            list(map(partial(ecgs.oru_na, seconds=5.0), range(120, 170))),
            list(map(ecgs.oru_pdf, range(170, 180))),
            list(map(partial(ecgs.oru_na, seconds=5.0), range(0, COPIES))),
        ],
        "folder": [[*small(range(180, 195)), *map(ecgs.pdf, range(195, ECGS))]],
    }


@pytest.mark.kill
@pytest.mark.peer
@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", range(FIRST, FIRST + ROUNDS))
def test_what_was_acknowledged_arrives_once_whoever_is_killed_whenever(seed, sents, tmp_path, ehr, fhir, capsys):
    chance, pace, tally, began = random.Random(seed), Pace(seed, between_s=0.12), Tally(), time.monotonic()
    with installed(tmp_path, *KILLS, destinations=[fhir], **SETTINGS) as ecgd:
        with Killer(ecgd, chance, kills=KILLS, lives_s=LIVES_S) as killer:
            jobs = [
                partial(store_all, ecgd.ports["dicom"], senders.write(tmp_path / f"cart{number}", some), pace, tally)
                for number, some in enumerate(sents["dicom"])
            ]
            jobs += [partial(acknowledge_all, ecgd.ports["hl7"], some, pace, tally) for some in sents["hl7"]]
            jobs += [partial(drop_all, ecgd.incoming, some, pace, tally) for some in sents["folder"]]
            all_at_once(jobs, pace, timeout_s=90)
        assert killer.failures == []
        until(lambda: len(findings(ehr.resources())) >= ECGS, 90, "200 findings in the FHIR receiver", every_s=1)
        until(lambda: not ecgd.left_to_take(), 30, "the drop folder is empty")
        code, facts = until(lambda: ecgd.settled(), 60, "nothing waiting", every_s=1)
        assert code == 0, facts
        whole_and_once(ehr.resources(), ECGS)
        assert facts["totals"]["job_reasons"] == {"same_ecg": COPIES}
        assert ecgd.refused() == []
        with capsys.disabled():
            took = time.monotonic() - began
            print(f"\nkill round: seed {seed}, {took:.1f} s, killed at {killer.instants} s, sent again {tally.retries}")
