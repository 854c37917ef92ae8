"""What is to be done about alerts, table by table; the clock is an argument."""

from dataclasses import replace

import pytest

from config.alerts import Alerts, Route, Step, Storm
from delivery.alerting.actions import Call, Close, Escalate, Finish, Inherit, Join, Tell
from delivery.alerting.plan import plan
from domain.alert import Closing, Happened, Risk, Sent, Why
from domain.finding import Severity
from tests.delivery.alerting.alerts import (
    CHAIN,
    HOOKS,
    MAIL,
    SETTINGS,
    acknowledged,
    after,
    alert,
    book,
    event,
    sent,
)

FIRST = [*sent("webhook:pager"), *sent("smtp:ed")]
LOST = Happened.UNDELIVERABLE


def told(actions, *whys):
    return [(one.channel, one.why) for one in actions if isinstance(one, Tell) and (not whys or one.why in whys)]


def test_a_new_alert_is_told_to_the_first_step_and_nobody_else():
    assert plan(book(alert()), SETTINGS, after(0)) == (
        Tell(alerts=(1,), channel="smtp:ed", why=Why.NEW),
        Tell(alerts=(1,), channel="webhook:pager", why=Why.NEW),
    )


def test_what_was_told_is_not_told_again():
    assert plan(book(alert(1, *FIRST)), SETTINGS, after(200)) == ()


@pytest.mark.parametrize(
    ("seconds", "channels"),
    [
        (299, []),
        (300, ["webhook:charge"]),
        (599, ["webhook:charge"]),
        (900, ["webhook:charge", "webhook:chief"]),
        (1800, ["webhook:charge", "webhook:chief", "webhook:ops"]),
    ],
)
def test_the_chain_goes_on_while_nobody_acknowledges(seconds, channels):
    actions = plan(book(alert(1, *FIRST)), SETTINGS, after(seconds))
    assert [one for one, _ in told(actions, Why.ESCALATION)] == channels
    assert len([one for one in actions if isinstance(one, Escalate)]) == len(channels)


def test_acknowledged_is_silent_until_its_end_and_then_over():
    known = alert(1, *FIRST, acknowledged(30))
    assert plan(book(known), SETTINGS, after(3 * 3600)) == ()
    assert plan(book(known), SETTINGS, after(4 * 3600)) == (Close(alert=1, reason=Closing.OVER),)
    assert plan(book(alert(1, *FIRST)), SETTINGS, after(4 * 3600)) == (Close(alert=1, reason=Closing.EXPIRED),)


def test_unacknowledged_it_is_repeated_at_its_interval_and_so_often_only():
    route = replace_route(steps=(Step(to=("webhook:pager",)),), operations_after_s=None)
    once = alert(1, *sent("webhook:pager"))
    assert plan(book(once), route, after(599)) == ()
    assert told(plan(book(once), route, after(600))) == [("webhook:pager", Why.REPEAT)]
    twice = alert(1, *sent("webhook:pager"), *sent("webhook:pager", 600, Why.REPEAT))
    assert plan(book(twice), route, after(1199)) == ()
    assert plan(book(twice), route, after(1200)) == (
        Tell(alerts=(1,), channel="webhook:pager", why=Why.REPEAT, number=2),
    )
    thrice = alert(1, *twice.events, *sent("webhook:pager", 1200, Why.REPEAT))
    assert plan(book(thrice), route, after(9000)) == ()


def replace_route(**changes):
    return Alerts(webhooks=HOOKS, smtp=(MAIL,), routes=(CHAIN.model_copy(update=changes),), operations=("webhook:ops",))


@pytest.mark.parametrize(
    ("pager", "mail", "seconds", "next_told"),
    [
        (LOST, LOST, 2, True),
        (LOST, Happened.DELIVERED, 2, False),
        (LOST, None, 2, True),
        (None, None, 59, False),
        (None, None, 60, True),
        (None, Happened.DELIVERED, 299, False),
    ],
)
def test_an_alert_that_reached_nobody_goes_to_the_next_person_at_once(pager, mail, seconds, next_told):
    events = [*sent("webhook:pager", fate=pager), *sent("smtp:ed", fate=mail)]
    actions = plan(book(alert(1, *events)), SETTINGS, after(seconds))
    assert told(actions) == ([("webhook:charge", Why.ESCALATION)] if next_told else [])
    assert [one for one in actions if isinstance(one, Escalate)] == (
        [Escalate(alert=1, step=1, unheard=True)] if next_told else []
    )


def test_when_the_whole_chain_is_deaf_operations_hear_at_once():
    channels = ("webhook:pager", "smtp:ed", "webhook:charge", "webhook:chief")
    events = [one for channel in channels for one in sent(channel, fate=LOST)]
    assert told(plan(book(alert(1, *events)), SETTINGS, after(5))) == [("webhook:ops", Why.ESCALATION)]


def test_without_operations_every_other_channel_hears_what_reached_nobody():
    alone = Alerts(webhooks=HOOKS[:3], routes=(Route(name="r", steps=(Step(to=("webhook:pager",)),)),))
    deaf = alert(1, *sent("webhook:pager", fate=LOST))
    assert [one for one, _ in told(plan(book(deaf), alone, after(5)))] == ["webhook:charge", "webhook:chief"]


@pytest.mark.parametrize(
    ("risk", "before", "now", "worse"),
    [
        (Risk.POTASSIUM_HIGH, 6.6, 7.0, False),
        (Risk.POTASSIUM_HIGH, 6.6, 7.1, True),
        (Risk.POTASSIUM_HIGH, 7.1, 6.6, False),
        (Risk.POTASSIUM_LOW, 2.4, 2.0, False),
        (Risk.POTASSIUM_LOW, 2.4, 1.9, True),
        (Risk.ARREST, 0.25, 0.3, False),
        (Risk.ARREST, 0.25, 0.36, True),
    ],
)
@pytest.mark.parametrize("known", [False, True])
def test_a_second_alert_of_a_person_is_told_only_when_it_is_worse(risk, before, now, worse, known):
    first = alert(1, *FIRST, *([acknowledged(9)] if known else []), risk=risk, value=before)
    actions = plan(book(first, alert(2, risk=risk, value=now, at=60)), SETTINGS, after(60))
    if worse:
        assert Close(alert=1, reason=Closing.WORSE, by=2) in actions
        assert told(actions) == [("smtp:ed", Why.WORSE), ("webhook:pager", Why.WORSE)]
        assert (Inherit(alert=2, since=first.since) in actions) is not known
    else:
        assert actions == (Join(alert=2, lead=1),)


def test_a_graver_level_is_worse_whatever_the_value():
    first = alert(1, *FIRST, severity=Severity.ABNORMAL, value=6.4)
    actions = plan(book(first, alert(2, value=6.5)), SETTINGS, after(0))
    assert Close(alert=1, reason=Closing.WORSE, by=2) in actions


def test_a_worse_one_goes_to_everybody_who_would_have_heard_of_the_one_nobody_answered():
    first = alert(1, *FIRST, *sent("webhook:charge", 300, Why.ESCALATION), value=6.6)
    actions = plan(book(first, alert(2, value=7.2, at=400)), SETTINGS, after(400))
    assert [one for one, _ in told(actions)] == ["smtp:ed", "webhook:charge", "webhook:pager"]


def test_other_persons_and_other_risks_wait_for_nothing():
    first = alert(1, *FIRST, acknowledged(9))
    others = (alert(2, person="p2"), alert(3, risk=Risk.ARREST, value=0.9), alert(4, risk=Risk.POTASSIUM_LOW, value=2))
    actions = plan(book(first, *others), SETTINGS, after(10))
    assert sorted(number for one in actions for number in one.alerts) == [2, 2, 3, 3, 4, 4]


def test_unidentified_ecgs_do_not_speak_for_one_another():
    actions = plan(book(alert(1, *FIRST, person=""), alert(2, person="")), SETTINGS, after(10))
    assert [one.alerts for one in actions] == [(2,), (2,)]


def test_two_risks_of_one_ecg_are_one_message():
    both = (alert(1, finding="f"), alert(2, finding="f", risk=Risk.ARREST, value=0.9))
    assert [one.alerts for one in plan(book(*both), SETTINGS, after(0))] == [(1, 2), (1, 2)]


def test_what_an_acknowledged_alert_spoke_for_ends_with_it():
    first = alert(1, *FIRST, acknowledged(30))
    second = alert(2, event(Happened.JOINED, 3600, why="1"), at=3600)
    assert plan(book(first, second), SETTINGS, after(4 * 3600)) == (
        Close(alert=1, reason=Closing.OVER),
        Close(alert=2, reason=Closing.COVERED, by=1),
    )


def test_what_an_unacknowledged_alert_spoke_for_speaks_for_itself_when_it_ends():
    second = alert(2, event(Happened.JOINED, 3600, why="1"), at=3600)
    actions = plan(book(alert(1, *FIRST), second), SETTINGS, after(4 * 3600))
    assert Close(alert=1, reason=Closing.EXPIRED) in actions
    assert ("webhook:pager", Why.NEW) in told(actions)


def test_what_a_withdrawn_alert_spoke_for_is_told_now():
    first = alert(1, *FIRST, acknowledged(30), closed=Closing.SUPERSEDED)
    second = alert(2, event(Happened.JOINED, 60, why="1"), at=60)
    actions = plan(book(first, second), SETTINGS, after(120))
    assert told(actions, Why.WITHDRAWN) == [("smtp:ed", Why.WITHDRAWN), ("webhook:pager", Why.WITHDRAWN)]
    assert Finish(alert=1) in actions
    assert [one.alerts for one in actions if isinstance(one, Tell) and one.why is Why.NEW] == [(2,), (2,)]


def test_a_graver_one_takes_over_what_the_earlier_spoke_for():
    first, second = alert(1, *FIRST, value=6.5), alert(2, event(Happened.JOINED, 5, why="1"), value=6.8)
    actions = plan(book(first, second, alert(3, value=7.1, at=60)), SETTINGS, after(60))
    assert Join(alert=2, lead=3) in actions
    later = alert(2, event(Happened.JOINED, 5, why="1"), event(Happened.JOINED, 60, why="3"), value=6.8)
    assert plan(book(later, alert(3, *FIRST, value=7.1)), SETTINGS, after(70)) == ()


def test_a_withdrawn_alert_nobody_was_told_of_is_done_without_a_word():
    assert plan(book(alert(1, closed=Closing.RETRACTED)), SETTINGS, after(0)) == (Finish(alert=1),)


TWO_UNITS = Alerts(
    webhooks=HOOKS,
    smtp=(MAIL,),
    routes=(
        Route(name="icu", units=("ICU*",), steps=(Step(to=("webhook:icu",)),)),
        Route(name="night", hours="19:00-07:00", steps=(Step(to=("webhook:chief",)),)),
        Route(name="day", steps=(Step(to=("webhook:pager",)),)),
    ),
    timezone="Europe/Berlin",
)


def test_an_alert_follows_the_patient_to_the_unit_where_they_are_now():
    moved = alert(1, *sent("webhook:pager"))
    assert told(plan(book(moved, units={"p1": "ICU 2"}), TWO_UNITS, after(60))) == [("webhook:icu", Why.NEW)]
    known = replace(moved, events=(*moved.events, acknowledged(30)))
    assert plan(book(known, units={"p1": "ICU 2"}), TWO_UNITS, after(60)) == ()


def test_who_has_left_is_not_told_about_to_the_old_unit():
    gone = plan(book(alert(1, unit="ICU 1"), units={"p1": ""}), TWO_UNITS, after(60))
    assert told(gone) == [("webhook:pager", Why.NEW)]


def test_the_shift_that_begins_hears_of_what_is_not_acknowledged():
    open_one = alert(1, *sent("webhook:pager"), at=0)  # 12:00 in Berlin
    evening = after(7 * 3600 - 60), after(7 * 3600)
    long = replace(open_one, raised=replace(open_one.raised, expires_at=after(24 * 3600)))
    assert [told(plan(book(long), TWO_UNITS, now)) for now in evening] == [[], [("webhook:chief", Why.NEW)]]


def test_an_abnormal_alert_that_no_route_wants_any_more_is_closed_with_that_reason():
    actions = plan(book(alert(1, severity=Severity.ABNORMAL)), SETTINGS, after(0))
    assert actions == (Close(alert=1, reason=Closing.NO_ROUTE),)


def storm(**changes):
    quiet = Alerts(
        webhooks=HOOKS,
        routes=(Route(name="r", steps=(Step(to=("webhook:pager",)),)),),
        operations=("webhook:ops",),
        storm=Storm(most=3, within_s=60, summary_s=15, call_s=600),
    )
    return quiet.model_copy(update=changes)


def lately(count, why=Why.NEW, at=0.0):
    return tuple(Sent(at=after(at), channel="webhook:pager", message=f"{why}{n}", why=why.value) for n in range(count))


def test_as_many_messages_as_a_channel_can_bear_go_out_singly():
    three = [alert(n, person=f"p{n}") for n in (1, 2, 3)]
    assert [one.alerts for one in plan(book(*three), storm(), after(0))] == [(1,), (2,), (3,)]


def test_one_more_is_a_summary_that_names_them_all_and_operations_are_called_once():
    four = [alert(n, person=f"p{n}") for n in (1, 2, 3, 4)]
    summary = Tell(alerts=(1, 2, 3, 4), channel="webhook:pager", why=Why.SUMMARY)
    call = Call(alert=1, about="storm webhook:pager")
    assert plan(book(*four), storm(), after(0)) == (summary, call)
    assert plan(book(*four, called={call.about: after(-599)}), storm(), after(0)) == (summary,)
    assert plan(book(*four, called={call.about: after(-600)}), storm(), after(0)) == (summary, call)


def test_in_a_storm_an_alert_waits_for_the_next_summary_and_no_longer():
    fifth = book(alert(5, person="p5", at=10), sent=(*lately(3), *lately(1, Why.SUMMARY, 5)), called={})
    assert told(plan(fifth, storm(), after(19))) == []
    assert told(plan(fifth, storm(), after(20))) == [("webhook:pager", Why.SUMMARY)]


def test_a_storm_is_over_when_its_minute_is():
    fifth = book(alert(5, person="p5", at=10), sent=lately(3, at=0))
    assert told(plan(fifth, storm(), after(59))) == [("webhook:pager", Why.SUMMARY)]
    assert told(plan(fifth, storm(), after(60))) == [("webhook:pager", Why.NEW)]


def test_a_storm_on_one_channel_keeps_back_nothing_on_another():
    routes = (
        Route(name="icu", units=("ICU",), steps=(Step(to=("webhook:icu",)),)),
        Route(name="r", steps=(Step(to=("webhook:pager",)),)),
    )
    full = book(alert(5, person="p5", unit="ICU"), sent=lately(30))
    assert told(plan(full, storm(routes=routes), after(1))) == [("webhook:icu", Why.NEW)]


def test_a_budget_warns_once_a_unit_and_day_and_drops_nothing():
    settings = SETTINGS.model_copy(update={"budget_per_day": 2})
    spent = book(alert(3), raised_today={"ED 3": 3, "ICU": 9})
    actions = plan(spent, settings, after(0))
    assert told(actions) == [("smtp:ed", Why.NEW), ("webhook:pager", Why.NEW)]
    assert actions[-1] == Call(alert=3, about="budget ED 3")
    warned = replace(spent, called={"budget ED 3": after(-60)})
    assert len(plan(warned, settings, after(0))) == 2
    assert len(plan(replace(spent, raised_today={"ED 3": 2}), settings, after(0))) == 2
    yesterday = replace(spent, called={"budget ED 3": after(-86400)})
    assert plan(yesterday, settings, after(0)) == actions


def test_planning_again_after_it_was_written_plans_nothing():
    first = plan(book(alert()), SETTINGS, after(0))
    written = [one for tell in first for one in sent(tell.channel, fate=None)]
    assert plan(book(alert(1, *written)), SETTINGS, after(1)) == ()
