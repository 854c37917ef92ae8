"""Heat falls where it belongs: against captum, against autograd, and by hand-made maps."""

import numpy as np
import pytest
import torch
from torch import nn

from adapters import overlay, paper
from config.schema import Models
from domain.ecg import LEADS
from domain.explanation import Direction, LeadHeat, PictureHeat
from domain.finding import Score
from inference import explain
from inference.arrestnet import ArrestNet
from inference.bundle import STAND_INS, load
from inference.crops import crops, starts
from inference.ecg12net import CROP
from inference.eianet import EIANet
from inference.eianet_heat import EiaNetHeat
from inference.explain import explainer_of, lead_heat, picture_heat, recording_heat, share_inside
from inference.scorer import Scorer
from tests.inference.conftest import beats

PICTURE = (800, 1200)
EVEN = np.full((1, 12), 1 / 12, np.float32)
V2 = LEADS.index("V2")


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(Models(device="cpu", threads=1))


def settled(network: nn.Module, *shape: int) -> nn.Module:
    """Give the batch norms statistics that are not 0 and 1."""
    with torch.no_grad():
        network.train()
        network(torch.randn(4, *shape))
    return network.eval()


def test_a_cell_of_eianets_map_lies_over_the_centre_of_what_it_sees():
    torch.manual_seed(4)
    network = EIANet(width=8).eval()
    picture = torch.rand(1, 1, 512, 512, requires_grad=True)
    (gradient,) = torch.autograd.grad(EiaNetHeat(network).first(picture)[0, :, 64, 48].sum(), picture)
    heat = picture_heat(np.eye(128, dtype=np.float32), (512, 512), (512, 512))
    for axis, cell, other in ((0, 64, 1), (1, 48, 0)):
        seen = gradient[0, 0].abs().sum(other)
        centre = float((seen * torch.arange(512)).sum() / seen.sum())
        assert heat.first_px[axis] + cell * heat.step_px[axis] == pytest.approx(centre, abs=2)


def test_a_moment_of_arrestnets_map_lies_over_the_centre_of_what_it_sees():
    torch.manual_seed(5)
    signal = torch.rand(1, 12, 5000, requires_grad=True)
    (gradient,) = torch.autograd.grad(ArrestNet(width=8).eval().features(signal)[0, :, 80].sum(), signal)
    seen = gradient[0].abs().sum(0)
    centre = float((seen * torch.arange(5000)).sum() / seen.sum())
    assert centre == pytest.approx(80 * explain.ARRESTNET_STRIDE, abs=5)


def test_one_hot_cell_is_hottest_on_its_pixel_and_gone_a_cell_away():
    cells = np.zeros((16, 24), np.float32)
    cells[5, 7] = 2.5
    heat = picture_heat(cells, (64, 96), PICTURE)
    drawn = heat.pixels(*PICTURE)
    y, x = (4 * cell * 1200 / 96 + (1200 / 96 - 1) / 2 for cell in (5, 7))  # a pixel's centre is half a pixel in
    top = np.unravel_index(drawn.argmax(), PICTURE)
    assert top == (round(y), round(x))
    assert drawn.max() == pytest.approx(1, abs=0.02)
    assert heat.at(np.array([y]), np.array([x]))[0] == pytest.approx(1)
    assert not drawn[round(y) + 51 :].any()
    assert not drawn[:, : round(x) - 51].any()
    assert np.isnan(heat.at(np.array([np.nan]), np.array([x])))[0]


def test_a_map_without_heat_stays_without():
    assert not picture_heat(np.zeros((4, 4), np.float32), (128, 128), PICTURE).cells.any()


def moved(crops_: int, *hot: tuple[int, int, int], by: float = 1.0) -> np.ndarray:
    found = np.zeros((crops_, 12, CROP), np.float32)
    for place in hot:
        found[place] = by
    return found


def test_a_sample_that_counted_is_hot_where_its_crop_and_lead_lie():
    at = np.full((1, 12), 304)
    heat = lead_heat(at, 2000, 6.0, EVEN, moved(1, (0, V2, 500))).samples(2000)
    assert np.nanargmax(heat[V2]) == pytest.approx(804, abs=explain.STEP)
    assert np.nanmax(heat[V2]) == 1
    assert np.nanmax(np.delete(heat[V2], np.s_[804 - 80 : 804 + 80])) < 0.01
    assert not np.nan_to_num(np.delete(heat, V2, axis=0)).any()
    assert np.isnan(heat[:, :304]).all()  # before and after the crop the model did not look
    assert np.isnan(heat[:, 1328:]).all()


def test_where_crops_overlap_their_mean_counts():
    at = np.repeat([[0], [512]], 12, axis=1)
    both = lead_heat(at, 1536, 6.0, np.repeat(EVEN, 2, axis=0), moved(2, (0, 0, 800), (1, 0, 288), (1, 1, 288)))
    heat = both.samples(1536)
    assert heat[0, 800] == 1
    assert heat[1, 800] == pytest.approx(0.5)


def test_heat_speaks_for_the_side_of_normal_on_which_the_estimate_lies():
    both = moved(1, (0, 0, 300)) + moved(1, (0, 1, 600), by=-1)
    at = np.zeros((1, 12), int)
    high, low = (lead_heat(at, CROP, estimate, EVEN, both) for estimate in (6.0, 3.0))
    assert (high.direction, low.direction) == (Direction.HIGH, Direction.LOW)
    hottest = [np.unravel_index(np.nanargmax(heat.cells), heat.cells.shape) for heat in (high, low)]
    assert [lead for lead, _ in hottest] == [0, 1]
    assert [moment * explain.STEP for _, moment in hottest] == pytest.approx([300, 600], abs=8)


def test_an_estimate_near_normal_is_not_stretched_to_full_heat():
    attention = np.full((1, 12), 0.05, np.float32)
    attention[0, 3] = 0.45
    at = np.zeros((1, 12), int)
    far, near = (lead_heat(at, CROP, estimate, attention, moved(1, (0, 3, 300))) for estimate in (5.0, 4.3))
    np.testing.assert_array_equal(far.attention, attention[0])
    assert np.nanmax(far.cells) == 1
    assert np.nanmax(near.cells) == pytest.approx(0.2)


def test_on_a_page_each_leads_heat_lies_in_its_own_seconds():
    signal = np.full((12, 5000), np.nan, np.float32)
    for lead, row in enumerate(beats()):
        column = slice(lead // 3 * 1250, (lead // 3 + 1) * 1250)
        signal[lead, column] = row[column]
    heat = lead_heat(starts(signal, 3), 5000, 6.0, np.repeat(EVEN, 3, axis=0), moved(3) + 1).samples(5000)
    for lead in range(12):
        seen = np.flatnonzero(np.isfinite(heat[lead]))
        assert [seen[0], seen[-1] + 1] == pytest.approx([lead // 3 * 1250, (lead // 3 + 1) * 1250], abs=explain.STEP)


def test_the_crops_stand_where_starts_says():
    signal = beats()
    signal[4, :700] = np.nan
    cut, at = crops(signal, 4), starts(signal, 4)
    for crop, lead in np.ndindex(4, 12):
        window = signal[lead, at[crop, lead] :][:CROP]
        np.testing.assert_allclose(cut[crop, lead], window - np.median(window), atol=1e-6)


def test_arrestnets_heat_is_in_every_lead_alike():
    row = np.zeros(157, np.float32)
    row[50] = 3
    heat = recording_heat(row, 5000)
    assert heat.direction is Direction.ARREST
    assert (heat.cells == heat.cells[0]).all()
    assert heat.samples(5000)[V2].argmax() == pytest.approx(50 * 32, abs=8)


def test_share_inside_counts_the_heat_that_is_shown():
    heat = np.zeros((12, 100), np.float32)
    heat[0, 10:20], heat[V2, 50:60], heat[3] = 0.8, 0.4, 0.39
    heat[5, :50] = np.nan
    assert share_inside(heat, {"I": [(0, 15)], "V2": [(55, 200)]}) == pytest.approx((5 * 0.8 + 5 * 0.4) / 12)
    assert share_inside(heat, {lead: [(0, 100)] for lead in LEADS}) == 1
    assert share_inside(heat, {}) == 0
    assert np.isnan(share_inside(heat * 0, {"I": [(0, 100)]}))
    assert share_inside(np.ones((12, 100), np.float32), {"I": [(0, 25)], "II": [(50, 85)]}) == pytest.approx(0.05)


def test_heat_painted_on_a_leads_st_segment_of_the_picture_is_read_back_there():
    signal = beats(rate_bpm=60)
    st = [(round(500 * (second + 0.36)), round(500 * (second + 0.46))) for second in range(10)]
    (there,) = [one for one in paper.shown(signal, 500) if one.place.lead == "V2"]
    cells = np.zeros((200, 300), np.float32)  # a millimetre each
    for start, stop in st:
        for x_mm, y_mm in there.trace_mm[max(0, start - there.first) : max(0, stop - there.first)]:
            cells[round(y_mm), round(x_mm)] = 1
    ecg = type("Drawn", (), {"signal": signal, "rate_hz": 500})
    heat = PictureHeat(cells=cells, first_px=(0, 0), step_px=(paper.PX_MM, paper.PX_MM))
    read = overlay.on_samples(heat, ecg)
    assert np.isfinite(read[LEADS.index("II")]).all()  # the strip shows all of it
    assert np.isfinite(read[V2]).sum() == 1250
    assert share_inside(read, {"V2": st}, above=0.99) == 1
    assert share_inside(read, {"V2": [(start - 20, stop + 20) for start, stop in st]}) == 1
    assert share_inside(read, {"V5": st}) == 0


def test_every_score_carries_its_explanation_and_stays_comparable(scorer, make_ecg):
    ecg = make_ecg()
    arrest, potassium = scorer.score(ecg)
    assert isinstance(arrest.explanation, PictureHeat)
    assert isinstance(potassium.explanation, LeadHeat)
    assert arrest.explanation.cells.max() == pytest.approx(1)
    assert potassium.explanation.attention.sum() == pytest.approx(1, abs=1e-5)
    assert (arrest, potassium) == scorer.score(ecg)
    assert hash(arrest) == hash(scorer.score(ecg)[0])


def test_explanations_agree_between_the_backends(scorer, make_ecg):
    on_torch = Scorer(Models(device="cpu", backend="torch", threads=1))
    ecg = make_ecg()
    for one, other in zip(scorer.score(ecg), on_torch.score(ecg), strict=True):
        np.testing.assert_allclose(one.explanation.cells, other.explanation.cells, atol=5e-3)


def test_without_models_explain_nothing_is_explained(make_ecg):
    quiet = Scorer(Models(device="cpu", threads=1, explain=False))
    answers = quiet.score(make_ecg())
    assert all(isinstance(answer, Score) and answer.explanation is None for answer in answers)


def test_what_is_not_finite_explains_nothing(make_ecg):
    on_picture, on_leads = (explainer_of(load(path).facts.architecture) for path in STAND_INS)
    heat = np.full((1, 16, 24), np.nan, np.float32)
    assert on_picture(make_ecg(), (np.zeros(1, np.float32), heat)) is None
    cut = np.full((5, 12, CROP), np.nan, np.float32)
    answered = np.zeros(5, np.float32), np.zeros((5, 12), np.float32), np.zeros((5, 12), np.float32)
    assert on_leads(make_ecg(), (*answered, cut)) is None
