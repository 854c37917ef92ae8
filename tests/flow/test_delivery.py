"""A FHIR server on a bad day: everything arrives in the end, once."""

import pytest

from simulator.ehr import Fault
from tests.flow import ecgs, senders
from tests.flow.harness import installed, until
from tests.flow.received import findings, whole_and_once

FAULTS = {
    "slow": Fault(delay_s=2.5, times=4),  # longer than the configured time-out, and applied when nobody listens
    "429": Fault(status=429, headers={"Retry-After": "1"}, times=4),
    "503": Fault(status=503, times=4),
    "500 after it was applied": Fault(status=500, applied=True, times=4),
    "cut off in the middle of the answer": Fault(cut=True, times=4),
}


@pytest.fixture(scope="module")
def ecgd(tmp_path_factory, module_ehr, fhir_of):
    fhir = {**fhir_of(module_ehr.url), "timeout_s": 1}
    with installed(tmp_path_factory.mktemp("delivery"), "serve", destinations=[fhir]) as running:
        yield running


@pytest.fixture
def sent(ecgd, module_ehr):
    """Sends four ECGs by HL7, which are acknowledged however the receiver fares."""

    def send(first):
        before = len(findings(module_ehr.resources()))
        sents = [ecgs.oru_na(first + n) for n in range(4)]
        answers = senders.mllp(ecgd.ports["hl7"], [one.payload for one in sents])
        assert [senders.answer(one)[0] for one in answers] == ["AA"] * 4
        return before + 4

    return send


@pytest.fixture
def all_there(ecgd, module_ehr):
    """Waits until so many findings are there, each whole and once, and nothing is left over."""

    def wait(count):
        until(lambda: len(findings(module_ehr.resources())) >= count, 90, f"{count} findings in the receiver")
        code, facts = until(lambda: ecgd.settled(), 60, "nothing waiting")
        assert code == 0, facts
        whole_and_once(module_ehr.resources(), count)

    return wait


@pytest.mark.parametrize("fault", FAULTS)
def test_everything_arrives_once_when_the_answer_has_been(module_ehr, sent, all_there, fault):
    module_ehr.recover()
    before = len(module_ehr.requests)
    module_ehr.fail(FAULTS[fault])
    count = sent(3000 + 10 * list(FAULTS).index(fault))
    all_there(count)
    assert len(module_ehr.requests) - before >= 5  # the four that went wrong, and then the ones that went right


def test_everything_arrives_once_when_the_receiver_was_down(ecgd, module_ehr, sent, all_there):
    module_ehr.recover()
    module_ehr.stop()
    try:
        count = sent(3900)
        until(lambda: [row for row in ecgd.events("later") if "destination" in row["reason"]], 60, "a failed attempt")
        until(lambda: ecgd.reconcile_but_for_waiting() == 0, 60, "all settled, and what waits to be sent accounted for")
    finally:
        module_ehr.start()
    all_there(count)
