"""Each disturbance measured on the noiseless leads, in mV and ms."""

from dataclasses import replace

import numpy as np
import pytest

from domain.ecg import LEADS
from simulator.effects import Effects, of_potassium
from simulator.heart import Heart, measurements
from simulator.leads import twelve
from simulator.trace import traced

PLAIN = Heart(variability=0, u_mv=0, axis_deg=50)


def drawn(heart, seed=1):
    eight, waves = traced(heart, np.random.default_rng(seed))
    return dict(zip(LEADS, twelve(eight), strict=True)), waves


def median_beat(heart, lead, kind=0):
    """100 ms before to 600 ms after the R peak, from the level before the QRS."""
    leads, waves = drawn(heart)
    trace, rows = leads[lead], []
    for r, start in zip(waves.r[waves.kind == kind], waves.qrs[waves.kind == kind, 0], strict=True):
        if r >= 60 and r + 300 < trace.size:
            rows.append(trace[r - 50 : r + 300] - trace[start - 5])
    return np.median(rows, axis=0)


def t_peak(heart, lead="V3"):
    return float(np.abs(t := median_beat(heart, lead)[130:]).max() * np.sign(t[np.abs(t).argmax()]))


def qrs_ms(heart):
    """As long as any lead moves by more than 2.5 mV/s around the R peak."""
    leads, waves = drawn(heart)
    r = waves.r[2]
    speed = np.max([np.abs(np.gradient(trace[r - 70 : r + 80]) * 500) for trace in leads.values()], axis=0)
    fast = np.flatnonzero(speed > 6)
    return 2.0 * (fast[-1] - fast[0])


HEARTS = {
    "normal": PLAIN,
    "varied": replace(PLAIN, shape=7, horizontal_deg=20),
    "rbbb": replace(PLAIN, conduction="rbbb", qrs_ms=140),
    "lbbb": replace(PLAIN, conduction="lbbb", qrs_ms=150),
    "paced": replace(PLAIN, pacing="ventricular", qrs_ms=150, shape=3),
    "fibrillation": replace(PLAIN, fibrillation=True),
    "ectopy": replace(PLAIN, ectopic=0.3, shape=4),
    "injury": replace(PLAIN, st_mv=0.3, territory="inferior"),
    "low potassium": replace(PLAIN, effects=of_potassium(2.0)),
    "high potassium": replace(PLAIN, effects=of_potassium(7.5)),
    "sine": replace(PLAIN, effects=of_potassium(9.0, 1.5)),
}


@pytest.mark.parametrize("heart", HEARTS.values(), ids=HEARTS)
def test_einthoven_and_goldberger_hold_to_one_rounding(heart):
    leads, _ = drawn(heart)
    assert np.isfinite(list(leads.values())).all()
    assert np.abs(leads["III"] - (leads["II"] - leads["I"])).max() < 1e-6
    assert np.abs(leads["aVR"] + leads["aVL"] + leads["aVF"]).max() < 1e-6


@pytest.mark.parametrize("heart", HEARTS.values(), ids=HEARTS)
def test_waves_lie_in_order_and_inside_the_beat(heart):
    _, waves = drawn(heart)
    assert (np.diff(waves.r) > 0).all()
    assert (waves.qrs[:, 0] < waves.r).all()
    assert (waves.r < waves.qrs[:, 1]).all()
    assert (waves.st[:, 0] >= waves.qrs[:, 1]).all()
    assert (waves.t[:, 1] > waves.st[:, 0]).all()
    has_p = waves.p[:, 0] >= 0
    assert (waves.p[has_p, 1] <= waves.qrs[has_p, 0] + 10).all()


def test_a_normal_ecg_has_the_waves_textbooks_name():
    beats = {lead: median_beat(PLAIN, lead) for lead in LEADS}
    r = {lead: beat[20:90].max() for lead, beat in beats.items()}
    s = {lead: beat[20:90].min() for lead, beat in beats.items()}
    assert r["V1"] < 0.4 < -s["V1"]
    assert r["V1"] < r["V2"] < r["V3"] < r["V4"]
    assert s["V6"] > -0.3
    assert r["V6"] > 0.7
    assert beats["aVR"][20:90].min() < -0.4
    assert np.argmin(beats["V6"][20:50]) < np.argmax(beats["V6"][20:70])  # q before R
    assert 0.25 < t_peak(PLAIN, "V3") < 0.8
    assert t_peak(PLAIN, "aVR") < 0


def test_t_grows_and_narrows_with_potassium():
    hearts = [replace(PLAIN, effects=of_potassium(value)) for value in (4.2, 5.5, 6.5, 7.5)]
    heights = [t_peak(heart) for heart in hearts]
    assert heights == sorted(heights)
    assert heights[-1] > 1.5 * heights[0]
    widths = [(median_beat(heart, "V3")[130:] > peak / 2).sum() for heart, peak in zip(hearts, heights, strict=True)]
    assert widths[-1] < 0.8 * widths[0]


def test_t_falls_and_u_rises_with_low_potassium():
    def u(value):
        alone = {"t_amplitude": 0.0, "st_mv": 0.0, "qrs_amplitude": 0.0, "p_amplitude": 0.0}
        leads, _ = drawn(replace(PLAIN, t_amplitude=0.0, effects=replace(of_potassium(value), **alone)))
        return max(leads[lead].max() for lead in LEADS)

    assert [t_peak(replace(PLAIN, effects=of_potassium(value))) for value in (4.2, 3.0)][1] < 0.75 * t_peak(PLAIN)
    assert u(2.0) == pytest.approx(of_potassium(2.0).u_mv, rel=0.05)
    assert u(4.2) < 0.02


def test_the_st_segment_falls_by_as_much_as_the_effects_say():
    effects = Effects(st_mv=-0.10)
    level = {
        lead: median_beat(replace(PLAIN, effects=effects), lead)[90] - median_beat(PLAIN, lead)[90] for lead in LEADS
    }
    assert min(level.values()) == pytest.approx(-0.10, abs=0.02)
    assert level["aVR"] > 0.02


@pytest.mark.parametrize(
    ("territory", "up", "down"),
    [
        ("anterior", ("V2", "V3"), ()),
        ("inferior", ("II", "III", "aVF"), ("aVL",)),
        ("lateral", ("I", "aVL", "V5"), ("III",)),
        ("subendocardial", ("aVR",), ("II", "V5")),
    ],
)
def test_an_injury_lifts_st_where_it_lies(territory, up, down):
    heart = replace(PLAIN, st_mv=0.2, territory=territory)
    level = {lead: median_beat(heart, lead)[85] - median_beat(PLAIN, lead)[85] for lead in LEADS}
    assert max(abs(value) for value in level.values()) == pytest.approx(0.2, abs=0.05)
    assert all(level[lead] > 0.05 for lead in up)
    assert all(level[lead] < -0.05 for lead in down)


@pytest.mark.parametrize(
    ("heart", "wanted"),
    [
        (PLAIN, 90),
        (replace(PLAIN, qrs_ms=110), 110),
        (replace(PLAIN, effects=Effects(qrs_width=1.5)), 135),
        (HEARTS["rbbb"], 140),
        (HEARTS["lbbb"], 150),
    ],
)
def test_qrs_takes_as_long_as_asked(heart, wanted):
    assert qrs_ms(heart) == pytest.approx(wanted, abs=22)


def test_bundle_branch_blocks_look_like_themselves():
    right, left = median_beat(HEARTS["rbbb"], "V1"), median_beat(HEARTS["lbbb"], "V1")
    late = right[60:95]
    assert late.max() > 0.4  # R'
    assert median_beat(HEARTS["rbbb"], "V6")[60:95].min() < -0.2  # broad S
    assert right[130:300].min() < -0.1  # T against it
    assert left[20:110].min() < -0.8
    assert left[150:300].max() > 0.2
    v6 = median_beat(HEARTS["lbbb"], "V6")
    assert v6[10:40].min() > -0.05  # no q
    assert v6[150:300].min() < -0.05


def test_p_is_there_unless_potassium_or_fibrillation_takes_it():
    def p(heart):
        leads, waves = drawn(heart)
        rows = [leads["II"][start:end] for start, end in waves.p if start >= 0 and end < 5000]
        return float(np.median([np.ptp(row) for row in rows])) if rows else None

    assert 0.08 < p(PLAIN) < 0.25
    assert p(replace(PLAIN, effects=Effects(p_amplitude=0.0))) < 0.03
    assert p(HEARTS["fibrillation"]) is None
    assert (drawn(HEARTS["fibrillation"])[1].p == -1).all()


@pytest.mark.parametrize("extra", [0.0, 60.0])
def test_pr_is_as_long_as_asked(extra):
    _, waves = drawn(replace(PLAIN, effects=Effects(pr_ms=extra)))
    assert np.median(waves.qrs[:, 0] - waves.p[:, 0]) * 2 == pytest.approx(160 + extra, abs=5)


def test_fibrillation_has_irregular_intervals_and_f_waves_of_4_to_9_a_second():
    _, waves = drawn(replace(PLAIN, fibrillation=True, seconds=60))
    intervals = np.diff(waves.r)
    assert 0.15 < intervals.std() / intervals.mean() < 0.35
    still = replace(PLAIN, fibrillation=True, amplitude=0.0, f_mv=0.1, seconds=40)
    v1 = drawn(still)[0]["V1"]
    power = np.abs(np.fft.rfft(v1 - v1.mean())) ** 2
    hertz = np.fft.rfftfreq(v1.size, 1 / 500)
    assert 4 <= hertz[power.argmax()] <= 9
    regular = np.diff(drawn(replace(PLAIN, seconds=60))[1].r)
    assert regular.std() / regular.mean() < 0.03


def test_an_ectopic_beat_comes_early_is_wide_and_pauses():
    heart = replace(HEARTS["ectopy"], seconds=60)
    _, waves = drawn(heart)
    early = np.flatnonzero(waves.kind[1:-1] == 1) + 1
    sinus = 60 * 500 / heart.rate_bpm
    assert early.size > 5
    assert (np.diff(waves.r)[early - 1] < 0.8 * sinus).all()
    np.testing.assert_allclose(waves.r[early + 1] - waves.r[early - 1], 2 * sinus, atol=0.1 * sinus)
    assert (np.diff(waves.qrs[early], axis=1) * 2 >= 135).all()
    assert (waves.p[early] == -1).all()


def test_pacing_shows_a_stimulus_before_a_wide_qrs():
    leads, waves = drawn(HEARTS["paced"])
    jump = np.abs(np.diff(leads["II"]))
    spikes = np.flatnonzero(jump > 0.15)
    assert all(np.abs(spikes - start).min() <= 6 for start in waves.qrs[1:-1, 0])
    assert np.median(np.diff(waves.qrs, axis=1)) * 2 == pytest.approx(150, abs=2)


def test_a_sine_wave_leaves_no_flat_line_and_one_frequency():
    effects = replace(of_potassium(9.0), sine=1.0)
    v3 = drawn(replace(PLAIN, rate_bpm=90 - effects.rate_bpm, effects=effects))[0]["V5"]
    power = np.abs(np.fft.rfft(v3 - v3.mean())) ** 2
    hertz = np.fft.rfftfreq(v3.size, 1 / 500)
    assert hertz[power.argmax()] == pytest.approx(1.5, abs=0.11)
    assert power[(hertz > 1.2) & (hertz < 1.8)].sum() > 0.7 * power.sum()
    plain = drawn(replace(PLAIN, rate_bpm=90))[0]["V5"]
    flat = [np.mean(np.abs(np.gradient(row)) * 500 < 0.25) for row in (v3, plain)]
    assert flat[0] < 0.5 * flat[1]


def test_low_voltage_scales_and_rate_and_qt_follow_their_effects():
    assert np.ptp(median_beat(replace(PLAIN, amplitude=0.4), "V5")) == pytest.approx(
        0.4 * np.ptp(median_beat(PLAIN, "V5")), rel=0.02
    )
    told = measurements(replace(PLAIN, effects=Effects(rate_bpm=15, qt_ms=40)))
    assert told.heart_rate_bpm == 87
    assert told.qt_ms == pytest.approx(410 * np.cbrt(60 / 87) + 40, abs=1)
    ends = [drawn(replace(PLAIN, effects=Effects(qt_ms=ms)))[1] for ms in (0, 40)]
    qt = [np.median(waves.t[:, 1] - waves.qrs[:, 0]) * 2 for waves in ends]
    assert qt[1] - qt[0] == pytest.approx(40, abs=4)
    assert qt[0] == pytest.approx(measurements(PLAIN).qt_ms, abs=6)


def test_the_same_seed_draws_the_same_and_another_does_not():
    first, again, other = (drawn(HEARTS["ectopy"], seed)[0]["II"] for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
