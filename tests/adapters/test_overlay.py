"""Heat beneath the trace: to the pixel, deterministic, readable in grey and to eyes that see no red."""

from types import SimpleNamespace

import numpy as np
import pytest

from adapters import overlay, paper
from domain.ecg import LEADS
from domain.explanation import Direction, LeadHeat, PictureHeat

CAPTION = overlay.Caption(
    title="Where the model looked", warning="STAND-IN", lines=("score", "model"), legend=("darker", "more")
)
V2 = LEADS.index("V2")
BAR = 68  # red, of the darkest heat
HEAD = overlay.HEAD_MM * paper.PX_MM


def drawn_ecg(seconds: float = 10) -> SimpleNamespace:
    time = np.arange(int(500 * seconds)) / 500
    beat = np.exp(-(((time % 0.8 - 0.4) / 0.02) ** 2))
    signal = np.outer(np.linspace(0.3, 1.2, 12), beat).astype(np.float32)
    return SimpleNamespace(signal=signal, rate_hz=500, picture=paper.draw(signal, 500))


def lead_heat(attention: np.ndarray | None = None, **hot: slice) -> LeadHeat:
    cells = np.zeros((12, 625), np.float32)
    for lead, samples in hot.items():
        cells[LEADS.index(lead), samples.start // 8 : samples.stop // 8] = 1
    return LeadHeat(cells=cells, step=8, resolution=64, direction=Direction.HIGH, attention=attention)


def tinted(ecg: SimpleNamespace, explanation: LeadHeat | PictureHeat) -> np.ndarray:
    """Which pixels of the standard picture have changed."""
    middle = overlay.draw(ecg, explanation, CAPTION)[HEAD : HEAD + 800]
    return (middle != overlay.coarse(ecg.picture)).any(axis=2)


def test_the_same_values_give_the_same_pixels():
    ecg, heat = drawn_ecg(), lead_heat(np.full(12, 1 / 12, np.float32), V2=slice(3000, 3200))
    one, other = (overlay.draw(ecg, heat, CAPTION) for _ in range(2))
    assert one.shape == (HEAD + 800 + overlay.FOOT_MM * paper.PX_MM, 1200, 3)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, other)


def test_a_leads_heat_stands_behind_its_own_seconds_and_nowhere_else():
    changed = tinted(drawn_ecg(), lead_heat(V2=slice(3000, 3200)))  # V2's column shows 5.0 to 7.5 s: samples 2500 on
    (place,) = [one.place for one in paper.shown(drawn_ecg().signal, 500) if one.place.lead == "V2"]
    left = (place.x_mm + (3000 - 2500) / 500 * paper.SPEED_MM_S) * paper.PX_MM
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert [columns[0], columns[-1]] == pytest.approx([left, left + 0.4 * paper.SPEED_MM_S * paper.PX_MM], abs=2)
    assert [rows[0], rows[-1]] == pytest.approx([(place.y_mm - 14) * 4, (place.y_mm + 14) * 4], abs=1)


def test_heat_of_lead_ii_is_on_its_strip_too_and_heat_of_seconds_that_are_not_drawn_is_not():
    changed = tinted(drawn_ecg(), lead_heat(II=slice(4000, 4200)))
    assert changed[:600].sum() == 0
    assert changed[650:750].any()
    assert not tinted(drawn_ecg(), lead_heat(V2=slice(0, 400))).any()


def test_heat_below_its_share_is_not_drawn():
    cells = np.full((16, 24), 0.39, np.float32)
    pale = PictureHeat(cells=cells, first_px=(0, 0), step_px=(50, 50))
    warm = PictureHeat(cells=cells + 0.02, first_px=(0, 0), step_px=(50, 50))
    assert not tinted(drawn_ecg(), pale).any()
    assert tinted(drawn_ecg(), warm)[400, 600]


def test_the_trace_stays_black_and_the_darkest_heat_stays_lighter_in_grey():
    ecg = drawn_ecg()
    everywhere = PictureHeat(cells=np.ones((2, 2), np.float32), first_px=(0, 0), step_px=(800, 1200))
    middle = overlay.draw(ecg, everywhere, CAPTION)[HEAD : HEAD + 800].astype(float)
    grey = middle @ [0.299, 0.587, 0.114]
    ink = ecg.picture.max(axis=2) < 30
    assert grey[ink].max() < 20
    plain = (ecg.picture == (255, 250, 250)).all(axis=2)
    assert grey[plain].min() > 100
    assert (np.diff(overlay._TINTS @ [0.299, 0.587, 0.114]) < -10).all()  # each step is darker than the one before


def test_attention_stands_beside_each_lead_once_and_its_bar_is_as_long_as_its_weight():
    ecg = drawn_ecg()
    attention = np.full(12, 0.05, np.float32)
    attention[V2] = 0.45
    drawn = overlay.draw(ecg, lead_heat(attention), CAPTION)
    bars = {}
    for one in paper.shown(ecg.signal, 500):
        x_mm, y_mm = paper.label_mm(one.place)
        x, y = round(x_mm * 4), round((y_mm - 3) * 4)  # above the per cent's feet, through the bar
        bars[one.place.lead, one.place.seconds] = int((drawn[HEAD + y, x : x + 240, 0] == BAR).sum())
    assert bars["V2", 2.5] == pytest.approx(48, abs=1)
    assert bars["V5", 2.5] == pytest.approx(48 / 9, abs=1)
    assert bars["II", 10.0] == 0
    np.testing.assert_array_equal(drawn[HEAD + 620 : HEAD + 800], overlay.coarse(ecg.picture)[620:])


def test_a_lead_that_was_not_recorded_has_neither_heat_nor_weight():
    ecg = drawn_ecg()
    ecg.signal[V2] = np.nan
    ecg.picture = paper.draw(ecg.signal, 500)
    changed = tinted(ecg, lead_heat(np.full(12, 1 / 12, np.float32), V2=slice(2500, 3700)))
    (place,) = [one for one in paper._PLACES if one.lead == "V2"]
    x, y = round(place.x_mm * 4), place.y_mm * 4
    assert not changed[y - 70 : y + 60, x : x + 250].any()


@pytest.mark.parametrize("seconds", [2.5, 4.0, 10.0, 12.0])
def test_recordings_of_any_length_are_drawn(seconds):
    ecg = drawn_ecg(seconds)
    heat = LeadHeat(
        cells=np.ones((12, -(-ecg.signal.shape[1] // 8)), np.float32), step=8, resolution=64, direction=Direction.LOW
    )
    assert tinted(ecg, heat).any()
    assert overlay.on_samples(heat, ecg).shape == ecg.signal.shape
