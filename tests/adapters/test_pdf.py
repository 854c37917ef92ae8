"""PDF pages: what is drawn comes back, whatever the drawing's habits; what is doubtful does not."""

import contextlib
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pymupdf
import pytest

from adapters import pdf
from adapters.pages.facts import facts_of
from adapters.pages.ink import MOST_PATHS
from adapters.recording import Recording
from config.schema import Reading
from domain.ecg import LEADS, Measurements, Patient, ReadWarning, Sex
from domain.errors import Rejected
from domain.reason import Reason
from simulator.page import Look, write_pdf
from simulator.patient import SyntheticPatient
from tests.adapters.objects import samples_folder

RATE = 500
PATIENT = SyntheticPatient.seeded(3)
TAKEN = datetime(2024, 5, 1, 10, 20, 30)  # noqa: DTZ001 (a page prints no zone)
REPORTED = Measurements(
    heart_rate_bpm=70, pr_ms=160, qrs_ms=90, qt_ms=380, qtc_ms=410, p_axis_deg=-5, qrs_axis_deg=40, t_axis_deg=30
)


def _signal(seed: int = 7) -> np.ndarray:
    """Twelve different leads of an irregular rhythm: no two alike, no two beats equally far apart."""
    chance = np.random.default_rng(seed)
    time = np.arange(5000) / RATE
    beats = np.cumsum(chance.uniform(0.6, 1.0, 16)) - 0.4
    leads = np.zeros((12, 5000))
    for beat in beats:
        for offset, width, low, high in ((-0.16, 0.02, 0.05, 0.2), (0.0, 0.012, -1.0, 1.5), (0.25, 0.05, -0.2, 0.5)):
            size = np.random.default_rng(round((offset + 1) * 100)).uniform(low, high, 12)
            leads += np.outer(size, np.exp(-((time - beat - offset) ** 2) / (2 * width**2)))
    leads[2], leads[3] = leads[1] - leads[0], -(leads[0] + leads[1]) / 2
    leads[4], leads[5] = leads[0] - leads[1] / 2, leads[1] - leads[0] / 2
    return np.asarray(leads, dtype=np.float32)


SIGNAL = _signal()


def _read(page: bytes) -> Recording:
    (recording,) = pdf.read(page, "folder:test", Reading())
    return recording


def _refused(page: bytes) -> Rejected:
    with pytest.raises(Rejected) as refusal:
        pdf.read(page, "folder:test", Reading())
    return refusal.value


def _snr_db(found: np.ndarray, truth: np.ndarray) -> float:
    """Signal to error, levels aside: an ECG has no absolute zero."""
    both = np.isfinite(found[: truth.size]) & np.isfinite(truth[: found.size])
    error = found[: truth.size][both] - truth[: found.size][both]
    return float(10 * np.log10(np.var(truth[: found.size][both]) / max(np.var(error), 1e-12)))


def _check(recording: Recording, *, floor_db: float = 40, least_s: float = 2.4, signal: np.ndarray = SIGNAL) -> None:
    assert set(recording.leads) == set(LEADS)
    assert recording.rate_hz == RATE
    assert recording.digitised
    for row, lead in zip(signal, LEADS, strict=True):
        assert np.isfinite(recording.leads[lead]).sum() >= least_s * RATE, lead
        assert _snr_db(recording.leads[lead], row) > floor_db, lead


@pytest.mark.parametrize("trace", ["lead", "row", "segment", "chunk", "bezier"])
@pytest.mark.parametrize("layout", ["3x4", "3x4+1", "3x4+3", "6x2", "6x2+1", "12x1"])
def test_traces_come_back_however_they_were_drawn(trace: str, layout: str) -> None:
    _check(_read(write_pdf(SIGNAL, RATE, layout=layout, look=Look(trace=trace))))


@pytest.mark.parametrize("grid", ["lines", "rectangles", "text"])
def test_the_grid_calibrates_however_it_was_drawn(grid: str) -> None:
    recording = _read(write_pdf(SIGNAL, RATE, look=Look(grid=grid, scale=0.9)))
    _check(recording)
    assert recording.speed_mm_s == pytest.approx(22.5, rel=0.005)
    assert recording.gain_mm_mv == pytest.approx(9.0, rel=0.005)


@pytest.mark.parametrize("look", [Look(rotate=90), Look(rotate=180), Look(rotate=270), Look(sideways=True)])
def test_a_turned_page_is_read_and_shown_upright(look: Look) -> None:
    recording = _read(write_pdf(SIGNAL, RATE, look=look))
    _check(recording)
    assert recording.page is not None
    assert recording.page.shape[1] > recording.page.shape[0]


def test_labels_below_their_traces_are_not_taken_for_the_next_row() -> None:
    _check(_read(write_pdf(SIGNAL, RATE, look=Look(labels="below"))))


@pytest.mark.parametrize(("speed", "gain"), [(25, 5), (25, 20), (50, 10), (12.5, 10)])
def test_other_speeds_and_gains(speed: float, gain: float) -> None:
    recording = _read(write_pdf(SIGNAL, RATE, speed=speed, gain=gain))
    _check(recording)
    assert recording.speed_mm_s == pytest.approx(speed, rel=0.005)
    assert recording.gain_mm_mv == pytest.approx(gain, rel=0.005)
    assert ReadWarning.LABEL_DISAGREES_WITH_GRID not in recording.warnings


def test_a_column_keeps_its_own_time() -> None:
    recording = _read(write_pdf(SIGNAL, RATE, layout="3x4"))
    for number, lead in enumerate(LEADS):
        seen = np.flatnonzero(np.isfinite(recording.leads[lead]))
        assert seen[0] == 1250 * (number // 3)
        assert seen[-1] == pytest.approx(1250 * (number // 3 + 1) - 1, abs=1)


def test_columns_of_the_same_seconds_are_told_by_the_rhythm_strip() -> None:
    recording = _read(write_pdf(SIGNAL, RATE, layout="3x4+1", look=Look(simultaneous=True)))
    _check(recording)
    assert all(np.flatnonzero(np.isfinite(recording.leads[lead]))[0] == 0 for lead in LEADS)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_rhythm_strip_gives_its_lead_the_whole_time(labelled: bool) -> None:
    recording = _read(write_pdf(SIGNAL, RATE, strips=("V1",), look=Look(strip_labels=labelled)))
    assert np.isfinite(recording.leads["V1"]).sum() > 4990
    assert np.isfinite(recording.leads["II"]).sum() <= 1251
    _check(recording)


def test_an_unlabelled_strip_of_no_lead_on_the_page_is_left_out() -> None:
    other = SIGNAL.copy()
    other[LEADS.index("II")] = np.nan
    strange = np.where(np.isnan(other), _signal(8), other)
    columns = pymupdf.open(stream=write_pdf(SIGNAL, RATE, layout="3x4"), filetype="pdf")
    assert columns.page_count == 1
    columns.close()
    page = write_pdf(np.where(np.arange(12)[:, None] == 1, strange, SIGNAL), RATE, look=Look(strip_labels=False))
    assert np.isfinite(_read(page).leads["I"]).sum() <= 1251


@pytest.mark.parametrize("trace", ["lead", "row", "segment"])
@pytest.mark.parametrize("layout", ["3x4+1", "12x1"])
def test_a_calibration_pulse_drawn_with_the_trace_is_cut_off(trace: str, layout: str) -> None:
    recording = _read(
        write_pdf(SIGNAL, RATE, layout=layout, look=Look(trace=trace, joined_pulse=True, printed="25 mm/s"))
    )
    _check(recording)
    assert recording.gain_mm_mv == pytest.approx(10, rel=0.003)


def test_a_pause_in_a_trace_is_not_bridged() -> None:
    drawn = SIGNAL.copy()
    drawn[LEADS.index("V2"), 3000:3200] = np.nan
    drawn[LEADS.index("II"), 4000:4100] = np.nan
    recording = _read(write_pdf(drawn, RATE))
    _check(recording, least_s=2.0)
    assert np.isnan(recording.leads["V2"][3005:3195]).all()
    assert np.isnan(recording.leads["II"][4005:4095]).all()
    assert np.isfinite(recording.leads["II"]).sum() > 4800


def _without_names(page: bytes, *names: str) -> bytes:
    with pymupdf.open(stream=page, filetype="pdf") as document:
        (stream,) = document[0].get_contents()
        drawing = document.xref_stream(stream)
        for name in names:
            drawing = drawing.replace(f"({name}) Tj".encode(), b"() Tj")
        document.update_stream(stream, drawing)
        return bytes(document.tobytes())


def test_columns_without_names_are_not_taken_for_one_lead() -> None:
    page = _without_names(write_pdf(SIGNAL, RATE, layout="3x4"), *LEADS[3:])
    assert _refused(page).reason is Reason.PAGE_NOT_UNDERSTOOD


def test_a_last_column_without_names_does_not_stretch_the_others() -> None:
    page = _without_names(write_pdf(SIGNAL, RATE, layout="3x4", look=Look(trace="row")), "V4", "V5", "V6")
    assert _refused(page).reason is Reason.PAGE_NOT_UNDERSTOOD


@pytest.mark.parametrize("trace", ["lead", "row"])
@pytest.mark.parametrize("kept", ["III", "aVF", "V3"])
def test_a_row_with_one_name_left_is_not_a_rhythm_strip(trace: str, kept: str) -> None:
    others = {"III", "aVF", "V3", "V6"} - {kept}
    recording = _read(_without_names(write_pdf(SIGNAL, RATE, look=Look(trace=trace)), *others))
    assert not others & set(recording.leads)
    for lead, found in recording.leads.items():
        assert _snr_db(found, SIGNAL[LEADS.index(lead)]) > 40, lead


def test_a_scaled_page_is_calibrated_by_its_grid_and_says_so() -> None:
    recording = _read(write_pdf(SIGNAL, RATE, look=Look(scale=19.24 / 25)))
    _check(recording)
    assert recording.speed_mm_s == pytest.approx(19.24, rel=0.003)
    assert ReadWarning.LABEL_DISAGREES_WITH_GRID in recording.warnings


def test_a_scaled_page_without_a_grid_is_calibrated_by_its_pulse() -> None:
    recording = _read(write_pdf(SIGNAL, RATE, look=Look(scale=0.8, grid="none")))
    _check(recording, floor_db=30)
    assert recording.speed_mm_s == pytest.approx(20, rel=0.003)
    assert ReadWarning.LABEL_DISAGREES_WITH_GRID in recording.warnings


def test_labels_alone_calibrate_with_a_warning() -> None:
    recording = _read(write_pdf(SIGNAL, RATE, look=Look(grid="none", pulse=False)))
    _check(recording)
    assert ReadWarning.CALIBRATED_BY_LABEL in recording.warnings


@pytest.mark.parametrize("printed", ["50 mm/s  10 mm/mV", "25 mm/s  5 mm/mV", "50 mm/s  20 mm/mV"])
def test_grid_and_pulse_are_believed_over_a_wrong_label(printed: str) -> None:
    recording = _read(write_pdf(SIGNAL, RATE, look=Look(printed=printed)))
    _check(recording)
    assert recording.speed_mm_s == pytest.approx(25, rel=0.003)
    assert recording.gain_mm_mv == pytest.approx(10, rel=0.003)
    assert ReadWarning.LABEL_DISAGREES_WITH_GRID in recording.warnings


@pytest.mark.parametrize(
    "look",
    [
        Look(printed="50 mm/s  10 mm/mV", pulse=False),  # nothing to tell which is wrong, label or columns
        Look(printed="", pulse=False),  # no gain
        Look(printed="", pulse=False, grid="none"),
        Look(printed="", grid="none"),  # no speed
        Look(printed="25 mm/s 10 mm/mV  5 mm/mV", pulse=False),
    ],
)
def test_a_page_that_cannot_be_calibrated_is_refused(look: Look) -> None:
    assert _refused(write_pdf(SIGNAL, RATE, look=look)).reason is Reason.PAGE_NOT_CALIBRATED


def test_chest_leads_drawn_smaller_by_their_label_are_enlarged() -> None:
    drawn = SIGNAL.copy()
    drawn[6:] /= 2
    _check(_read(write_pdf(drawn, RATE, look=Look(printed="25 mm/s  10/5 mm/mV"))))


def test_a_lead_left_out_is_missing_and_moves_no_other() -> None:
    for lead in ("I", "aVL", "V6"):
        drawn = SIGNAL.copy()
        drawn[LEADS.index(lead)] = np.nan
        recording = _read(write_pdf(drawn, RATE))
        assert set(recording.leads) == set(LEADS) - {lead}
        for name in recording.leads:
            assert _snr_db(recording.leads[name], SIGNAL[LEADS.index(name)]) > 40


@pytest.mark.parametrize("trace", ["lead", "segment", "bezier", "chunk"])
def test_leads_that_wander_across_rows_keep_their_names(trace: str) -> None:
    drawn = SIGNAL.copy()
    drawn[LEADS.index("V4")] -= 3.0
    drawn[LEADS.index("aVF")] += 2.5
    _check(_read(write_pdf(drawn, RATE, look=Look(trace=trace))))


def test_page_facts_are_read_under_their_labels() -> None:
    page = write_pdf(
        SIGNAL, RATE, patient=PATIENT, acquired_at=TAKEN, reported=REPORTED, statements=("Sinus rhythm (normal)",)
    )
    (recording,) = pdf.read(page, "folder:test", Reading(timezone="Europe/Berlin"))
    assert [identifier.value for identifier in recording.patient.identifiers] == [PATIENT.id]
    assert (recording.patient.family, recording.patient.given) == (PATIENT.family, PATIENT.given)
    assert recording.patient.birth_date == PATIENT.birth_date
    assert recording.patient.sex is PATIENT.sex
    assert recording.acquired_at == TAKEN.replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert recording.reported == REPORTED
    assert recording.statements == ("Sinus rhythm (normal)",)
    assert ReadWarning.TIME_ZONE_ASSUMED in recording.warnings


def test_without_an_identifier_nobody_is_named() -> None:
    recording = _read(write_pdf(SIGNAL, RATE))
    assert recording.patient == Patient()
    assert recording.acquired_at is None


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("ID: 12345", "12345"),
        ("MRN: A-77", "A-77"),
        ("Patient ID\t0042", "0042"),
        ("Patienten-Nr.: 1282423", "1282423"),
        ("Pat.-ID\t1282423", "1282423"),
        ("Device ID: 12345", None),
        ("Visit ID: 12345", None),
        ("ID 12345", None),
        ("12345", None),
        ("ID:", None),
        ("ID: unknown", None),
        ("ID: 1\tMRN: 2", None),
        ("ID: 12 345", None),
        ("ID: 111\tPatient ID: 222", None),
        ("ID: 111\tID: 222", None),
        ("Operator\tID: 7781", None),
        ("Operator:\tID: 7781", None),
        ("Device\tID: 7781\tPatient ID: 42", "42"),
        ("Name: Doe, John\tID: 12345", "12345"),
        ("MRN\t12345", "12345"),
    ],
)
def test_only_an_unmistakable_label_identifies(line: str, value: str | None) -> None:
    found = facts_of([line]).patient.identifiers
    assert [identifier.value for identifier in found] == ([value] if value else [])


@pytest.mark.parametrize(
    "line",
    ["PR: 0 ms", "Vent rate: 0 bpm", "QRS: 9999 ms", "QT/QTc: 0/32 ms", "QRS axis: 999°", "P-QRS-T axes: 999 999 999"],
)
def test_a_printed_value_that_no_heart_has_is_none(line: str) -> None:
    assert facts_of([line]).reported == Measurements()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DOB: 1970-02-03", date(1970, 2, 3)),
        ("Born: 03.02.1970", date(1970, 2, 3)),
        ("DOB: 25/12/1970", date(1970, 12, 25)),
        ("DOB: 12/25/1970", date(1970, 12, 25)),
        ("DOB: 02/03/1970", None),
        ("DOB: 3-Feb-1970", date(1970, 2, 3)),
        ("DOB: 31.02.1970", None),
    ],
)
def test_a_birth_date_is_read_only_beyond_doubt(text: str, expected: date | None) -> None:
    assert facts_of([text]).patient.birth_date == expected


def test_a_printing_date_is_no_acquisition_time() -> None:
    assert (
        facts_of(
            ["Printed: 2024-05-01 10:00", "Date of birth: 1970-01-01", "Gedruckt am 05.02.2021 15:37:31"]
        ).local_time
        is None
    )
    assert facts_of(["Date: 2024-05-01\t10:00"]).local_time == datetime(2024, 5, 1, 10, 0)  # noqa: DTZ001


def test_several_reports_in_one_file_are_several_recordings() -> None:
    with pymupdf.open() as document:
        for seed in (1, 2):
            page = write_pdf(_signal(seed), RATE, patient=SyntheticPatient.seeded(seed))
            with pymupdf.open(stream=page, filetype="pdf") as one:
                document.insert_pdf(one)
        both = document.tobytes()
    recordings = pdf.read(both, "folder:test", Reading())
    assert [r.patient.identifiers[0].value for r in recordings] == ["SIM0000001", "SIM0000002"]
    for seed, recording in zip((1, 2), recordings, strict=True):
        _check(recording, signal=_signal(seed))


def test_a_picture_that_cannot_be_read_beside_an_ecg_is_told() -> None:
    letter = np.full((1200, 900, 3), 255, np.uint8)
    letter[100:1000:40, 80:800] = 0
    with pymupdf.open(stream=write_pdf(SIGNAL, RATE), filetype="pdf") as document:
        page = document.new_page(width=595, height=842)
        page.insert_image(page.rect, pixmap=pymupdf.Pixmap(pymupdf.csRGB, 900, 1200, letter.tobytes(), False))
        both = document.tobytes()
    recording = _read(both)
    assert ReadWarning.PAGE_UNREAD in recording.warnings
    assert ReadWarning.PAGE_UNREAD not in _read(write_pdf(SIGNAL, RATE)).warnings


def test_an_unreadable_ecg_sets_its_whole_file_aside() -> None:
    with pymupdf.open() as document:
        for look in (Look(), Look(printed="", pulse=False)):
            with pymupdf.open(stream=write_pdf(SIGNAL, RATE, look=look), filetype="pdf") as one:
                document.insert_pdf(one)
        both = document.tobytes()
    assert _refused(both).reason is Reason.PAGE_NOT_CALIBRATED


def _letter(*, pages: int = 1) -> bytes:
    with pymupdf.open() as document:
        for _ in range(pages):
            document.new_page().insert_text((72, 72), "Dear colleague, ST elevation in V2 V3 was seen.")
        return bytes(document.tobytes())


def _photograph() -> bytes:
    with pymupdf.open() as document:
        page = document.new_page()
        pixels = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 40, 40), False)
        page.insert_image(page.rect, pixmap=pixels)
        return bytes(document.tobytes())


def _locked() -> bytes:
    with pymupdf.open(stream=_letter(), filetype="pdf") as document:
        return bytes(document.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="u", owner_pw="o"))


def test_a_letter_is_not_an_ecg() -> None:
    assert _refused(_letter()).reason is Reason.PAGE_NOT_UNDERSTOOD


def test_a_photograph_is_refused_with_what_to_do() -> None:
    refusal = _refused(_photograph())
    assert refusal.reason is Reason.PAGE_NOT_UNDERSTOOD
    assert "DICOM" in refusal.detail


@pytest.mark.parametrize("payload", [b"%PDF-1.4 nothing more", b"x", b"%PDF-1.7\n1 0 obj\n<<"])
def test_garbage_is_undecodable(payload: bytes) -> None:
    assert _refused(payload).reason is Reason.UNDECODABLE


def test_an_encrypted_file_is_undecodable() -> None:
    assert _refused(_locked()).reason is Reason.UNDECODABLE


def test_a_cover_letter_does_not_hide_the_ecg_behind_it() -> None:
    with pymupdf.open(stream=_letter(), filetype="pdf") as document:
        with pymupdf.open(stream=write_pdf(SIGNAL, RATE), filetype="pdf") as one:
            document.insert_pdf(one)
        both = document.tobytes()
    _check(_read(both))


@pytest.mark.parametrize("seed", range(12))
def test_damaged_files_are_read_or_refused_and_nothing_else(seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    chance = np.random.default_rng(seed)
    page = bytearray(write_pdf(SIGNAL, RATE, patient=PATIENT))
    for at in chance.integers(0, len(page), 60):
        page[at] = chance.integers(0, 256)
    damaged = bytes(page[: int(chance.integers(len(page) // 2, len(page)))]) if seed % 2 else bytes(page)
    with contextlib.suppress(Rejected):
        pdf.read(damaged, "folder:test", Reading())
    assert capfd.readouterr() == ("", "")


def test_too_many_paths_are_refused_in_bounded_memory() -> None:
    with pymupdf.open() as document:
        page, stream = document.new_page(), document.get_new_xref()
        document.update_object(stream, "<<>>")
        document.update_stream(stream, b"0 0 m 1 1 l S\n" * (MOST_PATHS + 1))
        document.xref_set_key(page.xref, "Contents", f"{stream} 0 R")
        crowded = document.tobytes(deflate=True)
    assert _refused(crowded).reason is Reason.TOO_LARGE


def test_a_page_of_hours_is_refused_before_memory_is_taken() -> None:
    look = Look(printed="0.00001 mm/s  10 mm/mV", pulse=False)
    assert _refused(write_pdf(SIGNAL, RATE, layout="12x1", look=look)).reason is Reason.TOO_LARGE


def test_too_many_pages_are_refused() -> None:
    assert _refused(_letter(pages=pdf.MOST_PAGES + 1)).reason is Reason.TOO_LARGE


# real pages


def _ptbxl(folder: Path, record: str) -> dict[str, np.ndarray]:
    raw = np.fromfile(folder / "ptbxl" / "records500" / f"{record}.dat", dtype="<i2").reshape(-1, 12).T / 1000
    return dict(zip(LEADS, raw, strict=True))


def test_ptbxl_pages_give_back_their_records() -> None:
    folder = samples_folder()
    pages = sorted((folder / "ptbxl_pdf").glob("*.pdf"))
    assert len(pages) == 27
    snr, correlation = [], []
    for page in pages:
        truth = _ptbxl(folder, page.stem)
        recording = _read(page.read_bytes())
        assert set(recording.leads) == set(LEADS)
        for lead, found in recording.leads.items():
            # the page was drawn from every fourth sample of a five-sample mean, beginning with the fifth
            smooth = np.convolve(truth[lead], np.ones(5) / 5, mode="same")
            drawn = smooth[4:][: found.size]
            both = np.isfinite(found[: drawn.size])
            both[:20] = both[-20:] = False
            snr.append(_snr_db(np.where(both, found[: drawn.size], np.nan), drawn))
            others = {
                name: np.corrcoef(found[: drawn.size][both], row[4:][: drawn.size][both])[0, 1]
                for name, row in truth.items()
            }
            assert max(others, key=lambda name: others[name]) == lead, (page.stem, lead)
            correlation.append(others[lead])
    assert np.median(snr) > 30
    assert np.median(correlation) >= 0.998


@pytest.mark.parametrize(("name", "speed", "rate"), [("schiller_1282423", 25, 63), ("cardiosoft_testmann", 50, 75)])
def test_reports_over_several_pages_become_one(name: str, speed: float, rate: float) -> None:
    recording = _read((samples_folder() / "pdf" / f"{name}.pdf").read_bytes())
    leads = recording.leads
    assert set(LEADS) <= set(leads)
    assert recording.speed_mm_s == pytest.approx(speed, rel=0.005)
    assert recording.gain_mm_mv == pytest.approx(10, rel=0.005)
    assert recording.reported.heart_rate_bpm == rate
    assert recording.patient.identifiers[0].value == "1282423"
    einthoven = leads["III"] - (leads["II"] - leads["I"])
    einthoven -= np.nanmedian(einthoven)
    assert np.nanmax(np.abs(einthoven)) < 0.2  # at 71 points/s the peaks fall between points
    assert recording.patient.sex in (Sex.MALE, Sex.UNKNOWN)
