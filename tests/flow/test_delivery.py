"""A FHIR server on a bad day: everything arrives in the end, once."""

import pytest

from tests.flow import ecgs, senders
from tests.flow.harness import installed, until
from tests.flow.received import findings, whole_and_once


@pytest.fixture(scope="module")
def ecgd(tmp_path_factory, module_ehr, fhir_of):
    settings = {"fhir": {**fhir_of(module_ehr), "timeout_s": 1}}
    with installed(tmp_path_factory.mktemp("delivery"), "serve", **settings) as running:
        yield running


@pytest.mark.parametrize("fault", ["down", "slow", "429", "500-after-apply"])
def test_everything_arrives_once_when_the_receiver_has_been(ecgd, module_ehr, fault):
    first = 3000 + 10 * ["down", "slow", "429", "500-after-apply"].index(fault)
    before = len(findings(module_ehr.resources()))
    with module_ehr.faulty(fault):
        sents = [ecgs.oru_na(first + n) for n in range(4)]
        answers = senders.mllp(ecgd.ports["hl7"], [sent.payload for sent in sents])
        assert [senders.answer(one)[0] for one in answers] == ["AA"] * 4  # the doors do not wait for the EHR
        until(lambda: module_ehr.faults_served >= 4, 60, "attempts while the receiver is faulty")
        assert ecgd.reconcile()[0] == 0  # waiting is accounted for
    until(lambda: len(findings(module_ehr.resources())) >= before + 4, 60, "the findings")
    code, facts = until(lambda: ecgd.settled(), 60, "nothing waiting")
    assert code == 0, facts
    whole_and_once(module_ehr.resources(), before + 4)
