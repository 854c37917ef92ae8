"""The links that acknowledge: ours, unchanged, in time, or nothing."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from delivery.alerting.link import key_of, read, signed

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
ENDS = NOW + timedelta(hours=4)
TOKEN = signed((17, 18), "smtp:ed", ENDS, KEY)


def test_a_link_says_which_alerts_which_channel_and_until_when():
    ticket = read(TOKEN, KEY, NOW)
    assert (ticket.alerts, ticket.channel, ticket.ends) == ((17, 18), "smtp:ed", ENDS)


def test_its_time_over_it_says_nothing():
    assert read(TOKEN, KEY, ENDS - timedelta(seconds=1)) is not None
    assert read(TOKEN, KEY, ENDS) is None


def test_another_key_s_is_not_ours():
    assert read(TOKEN, OTHER, NOW) is None


@pytest.mark.parametrize("place", range(0, len(TOKEN), 3))
def test_changed_anywhere_it_is_not_ours(place):
    other = "A" if TOKEN[place] != "A" else "B"
    changed = TOKEN[:place] + other + TOKEN[place + 1 :]
    ticket = read(changed, KEY, NOW)
    assert ticket is None or ticket == read(TOKEN, KEY, NOW)  # the last letter of base64 has spare bits


def test_other_alerts_under_the_same_signature_are_refused():
    what, _, by = TOKEN.partition(".")
    plain = base64.urlsafe_b64decode(what + "=" * (-len(what) % 4)).replace(b"17 18", b"17 99")
    assert read(f"{base64.urlsafe_b64encode(plain).decode().rstrip('=')}.{by}", KEY, NOW) is None


@pytest.mark.parametrize("junk", ["", ".", "a", "a.b", "ä.ö", "=.=", "." * 9000, TOKEN + "x" * 5000])
def test_junk_is_refused_without_a_fuss(junk):
    assert read(junk, KEY, NOW) is None


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "0" * 62])
def test_a_key_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"shorter|hexadecimal"):
        key_of(text)
