"""A day without the EHR: what waited is delivered in each person's order, once; its fellow destination saw none of it.

``ECGD_DAY_ECGS`` ECGs (60; by hand 10,000) on a clock that is not the machine's.
"""

import os
import random
from contextlib import closing
from datetime import timedelta

from config.schema import Settings
from domain.errors import Rejected, Transient
from domain.outgoing import Outgoing
from domain.reason import Reason
from ecgd import loop
from ecgd.queues import ChannelQueue
from store.outbox import Outbox
from store.record import put as queue_up
from store.report import counts

ECGS = int(os.environ.get("ECGD_DAY_ECGS", "60"))
STEP_S = 300.0
SETTINGS = Settings.model_validate({"delivery": {"longest_wait_s": 300}})


class Ehr:
    """Down, up, or up and refusing some; keeps what it took."""

    longest_s = 1.0

    def __init__(self):
        self.up, self.refused, self.took, self.asked = True, frozenset(), [], 0

    def send(self, outgoing):
        self.asked += 1
        if not self.up:
            raise Transient(Reason.DESTINATION_UNAVAILABLE)
        if outgoing.key in self.refused:
            raise Rejected(Reason.DESTINATION_REFUSED)
        self.took.append((outgoing.lane, outgoing.key))

    def close(self):
        pass


def _drain(queue):
    """Handle what is due now."""
    while (message := queue.claim()) is not None:
        loop._step(_Claimed(queue, message), queue.handle, idle_s=0.0)


class _Claimed:
    """A queue whose next message has been claimed already."""

    def __init__(self, queue, message):
        self._queue, self._message = queue, message

    def claim(self):
        return self._message

    def named(self, message):
        return self._queue.named(message)

    def put_back(self, message, error):
        self._queue.put_back(message, error)


def test_a_day_s_results_arrive_in_each_person_s_order_and_once(database, clock):
    dice = random.Random(5)
    people = [f"person {n}" for n in range(max(1, ECGS // 4))]
    ehr, other = Ehr(), Ehr()
    with closing(Outbox(database, SETTINGS.store, clock)) as outbox:
        down = ChannelQueue(outbox, "fhir:ehr", ehr, others={"fhir:other"}, settings=SETTINGS, clock=clock)
        beside = ChannelQueue(outbox, "fhir:other", other, others={"fhir:ehr"}, settings=SETTINGS, clock=clock)
        ehr.up, began, put = False, clock.now, []
        steps = int(86400 / STEP_S)
        for step in range(steps):
            with database.write() as connection:
                for _ in range(ECGS * (step + 1) // steps - ECGS * step // steps):
                    whose = dice.choice(people)
                    for channel in ("fhir:ehr", "fhir:other"):
                        key = f"{len(put)}:{channel}"
                        message = Outgoing(key=key, channel=channel, content_type="x", body=b"x", lane=whose)
                        assert queue_up(connection, message, clock.now)
                    put.append((whose, f"{len(put)}:fhir:ehr"))
            _drain(beside)
            _drain(down)
            clock.pass_s(STEP_S)
        assert clock.now - began == timedelta(days=1)
        assert len(other.took) == ECGS
        assert ehr.took == []
        assert ehr.asked < 2 * steps + 50
        ehr.up, ehr.refused = True, frozenset(key for _, key in put[:: max(2, ECGS // 7)])
        for _ in range(20):
            clock.pass_s(STEP_S)
            _drain(down)
    taken = [one for one in put if one[1] not in ehr.refused]
    assert sorted(ehr.took) == sorted(taken)
    for whose in people:
        assert [key for lane, key in ehr.took if lane == whose] == [key for lane, key in taken if lane == whose]
    assert counts(database).outbox == {"sent": len(taken) + ECGS, "buried": len(ehr.refused)}
