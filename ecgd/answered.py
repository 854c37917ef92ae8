"""An alert that the record acknowledges: what its answer does to the alerts the answered message told of."""

from collections.abc import Callable

from delivery.hl7 import control_id
from domain.alert import Acknowledgement, Event, Happened
from domain.arrival import Arrival
from domain.outcome import Outcome, Settlement
from domain.reason import Reason

Read = Callable[[Arrival], tuple[Acknowledgement, ...]]
ToldBy = Callable[[Callable[[str], bool]], tuple[int, ...]]
UNKNOWN = Settlement(outcome=Outcome.QUARANTINED, reason=Reason.ALERT_UNKNOWN)


def answered(read: Read, told_by: ToldBy, arrival: Arrival) -> Settlement:
    """Settle an answer. Raises ``Rejected``.

    It names the message by what was sent as MSH-10 and as the Communication's identifier, which only who got it knows.
    An answer that no person gave stops nothing: the alert goes on to the next.
    """
    (answer,) = read(arrival)
    if not answer.by:
        return Settlement(outcome=Outcome.IGNORED, reason=Reason.ALERT_NOT_ACKNOWLEDGED)
    numbers = told_by(lambda key: control_id(key) == answer.message)
    if not numbers:
        return UNKNOWN
    known = (
        Event(alert=number, at=arrival.received_at, what=Happened.ACKNOWLEDGED, actor=answer.by) for number in numbers
    )
    return Settlement(outcome=Outcome.IGNORED, reason=Reason.ALERT_ACKNOWLEDGED, acknowledged=tuple(known))
