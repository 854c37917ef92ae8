"""SCP-ECG: the simulator's records, ecgdatakit as another reader of them, and what is damaged."""

import binascii
import struct
import warnings
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from ecgdatakit import FileParser

from adapters import scp
from config.schema import Reading
from domain.arrival import Format, sniff
from domain.ecg import LEADS, Device, Identifier, Measurements, Patient, ReadWarning
from domain.errors import Rejected
from domain.reason import Reason
from simulator.heart import ecg, varied
from simulator.patient import SyntheticPatient
from simulator.scp import write_scp

READING = Reading()
PATIENT = SyntheticPatient.seeded(7)
WHEN = datetime(2024, 3, 1, 12, 0, 5, tzinfo=timezone(timedelta(hours=1)))
SIGNAL = ecg(varied(7, seconds=2.5), 7)
SAID = Measurements(
    heart_rate_bpm=70, p_ms=100, pr_ms=160, qrs_ms=90, qt_ms=400, qtc_ms=420, p_axis_deg=40, qrs_axis_deg=-30,
    t_axis_deg=20,
)  # fmt: skip


def written(**more) -> bytes:
    return write_scp(SIGNAL, 500, PATIENT, acquired_at=WHEN, **more)


def read(payload, settings=READING):
    (recording,) = scp.read(payload, "folder:TEST", settings)
    return recording


def reason(payload):
    with pytest.raises(Rejected) as caught:
        scp.read(payload, "folder:TEST", READING)
    return caught.value.reason


def peer(tmp_path, payload):
    path = tmp_path / "a.scp"
    path.write_bytes(payload)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FileParser().parse(path)


@pytest.mark.parametrize("huffman", [False, True])
@pytest.mark.parametrize("uv_per_unit", [1.0, 2.5, 4.88])
def test_every_sample_is_within_half_a_unit(huffman, uv_per_unit):
    found = read(written(huffman=huffman, uv_per_unit=uv_per_unit))
    assert (tuple(found.leads), found.rate_hz, found.format) == (LEADS, 500, Format.SCP)
    off = max(np.abs(found.leads[lead] - row).max() for lead, row in zip(LEADS, SIGNAL, strict=True))
    assert off <= uv_per_unit / 2000 + 1e-9


@pytest.mark.parametrize("huffman", [False, True])
def test_another_reader_finds_the_same_samples_and_header_in_the_simulator_s_record(tmp_path, huffman):
    payload = written(huffman=huffman, statements=["Sinusrhythmus"])
    theirs, ours = peer(tmp_path, payload), read(payload)
    assert theirs.raw_metadata["checksum_valid"]
    assert theirs.recording.date == WHEN
    assert theirs.patient.patient_id == PATIENT.id
    assert [lead.label for lead in theirs.leads] == list(LEADS)
    for lead in theirs.leads:
        np.testing.assert_allclose(np.asarray(lead.samples), ours.leads[lead.label], atol=1e-9)


def test_content_tells_the_format():
    assert sniff(written()) is Format.SCP
    assert sniff(written()[:31]) is None
    unnamed = written().replace(b"SCPECG", bytes(6), 1)
    assert sniff(unnamed) is Format.SCP


def test_who_when_and_what_the_cart_said_are_read():
    found = read(written(reported=SAID, statements=["Sinusrhythmus, größer", "EKG normal"]))
    assert found.patient == Patient(
        identifiers=(Identifier(value=PATIENT.id),),
        family=PATIENT.family,
        given=PATIENT.given,
        birth_date=PATIENT.birth_date,
        sex=PATIENT.sex,
    )
    assert found.acquired_at == WHEN
    assert found.warnings == ()
    assert found.device == Device(manufacturer="ecgd simulator", model="heart", serial="0", software="1")
    assert found.order.location == "ED"
    assert found.reported == SAID
    assert found.statements == ("Sinusrhythmus, größer", "EKG normal")


def test_what_the_cart_did_not_measure_is_not_reported():
    assert read(written()).reported == Measurements()


def test_eight_stored_leads_are_eight_leads():
    eight = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    assert tuple(read(written(leads=eight)).leads) == eight


def sections_of(payload) -> dict[int, bytes]:
    found = {}
    for place in range(22, 6 + struct.unpack_from("<I", payload, 10)[0], 10):
        number, size, index = struct.unpack_from("<HII", payload, place)
        if number and size:
            found[number] = payload[index - 1 + 16 : index - 1 + size]
    return found


def record(sections, protocol=20) -> bytes:
    """A record of these sections, laid out anew."""

    def section(number, body):
        rest = struct.pack("<HIBB6s", number, 16 + len(body), protocol, protocol, b"SCPECG" * (not number)) + body
        return struct.pack("<H", binascii.crc_hqx(rest, 0xFFFF)) + rest

    place = 7 + 16 + 10 * (len(sections) + 1)
    pointers, bodies = struct.pack("<HII", 0, place - 7, 7), b""
    for number, body in sorted(sections.items()):
        whole = section(number, body)
        pointers += struct.pack("<HII", number, len(whole), place)
        bodies, place = bodies + whole, place + len(whole)
    rest = section(0, pointers) + bodies
    rest = struct.pack("<I", len(rest) + 6) + rest
    return struct.pack("<H", binascii.crc_hqx(rest, 0xFFFF)) + rest


BEAT = (np.hanning(100) * 400).astype(np.int64)  # 200 ms at 500 Hz, 2 uV a count
FIDUCIALS = (101, 401, 801)


def less_its_beat() -> tuple[dict[int, bytes], np.ndarray]:
    """Sections of one lead less a reference beat, and that lead in mV: residual of 1 uV, beat of 2 uV a count."""
    residual = np.arange(1000) % 7 - 3
    zones = struct.pack("<HHH", 200, 50, len(FIDUCIALS))
    whole = residual * 0.001
    for number, fiducial in enumerate(FIDUCIALS):
        first, last = fiducial - 30, fiducial + 40
        zones += struct.pack("<HIII", number // 2, first, fiducial, last)
        if number // 2 == 0:  # the third beat is of another type: nothing was taken off
            whole[first - 1 : last] += BEAT[50 - 31 : 50 + 40] * 0.002
    sections = sections_of(written(huffman=False))
    return {
        1: sections[1],
        3: struct.pack("<BB", 1, 0x05) + struct.pack("<IIB", 1, 1000, 2) + b"\0",
        4: zones,
        5: struct.pack("<HHBBH", 2000, 2000, 0, 0, 200) + BEAT.astype("<i2").tobytes(),
        6: struct.pack("<HHBBH", 1000, 2000, 0, 0, 2000) + residual.astype("<i2").tobytes(),
    }, whole


def test_a_reference_beat_is_added_where_it_was_taken_off(tmp_path):
    sections, whole = less_its_beat()
    found = read(record(sections)).leads["II"]
    np.testing.assert_allclose(found, whole, atol=1e-9)
    (theirs,) = peer(tmp_path, record(sections)).leads
    np.testing.assert_allclose(np.asarray(theirs.samples), whole, atol=1e-9)


def test_a_reference_beat_alone_is_a_median():
    sections, _ = less_its_beat()
    del sections[6]
    found = read(record(sections))
    assert found.median_only
    np.testing.assert_allclose(found.leads["II"], BEAT * 0.002)


def test_leads_that_start_later_lie_later():
    sections, _ = less_its_beat()
    rows = struct.pack("<BB", 2, 0x00) + struct.pack("<IIBIIB", 1, 100, 1, 101, 200, 3)
    ramp = np.arange(100, dtype="<i2").tobytes()
    block = struct.pack("<HHBBHH", 1000, 2000, 0, 0, 200, 200) + ramp + ramp
    found = read(record({1: sections[1], 3: rows, 6: block}))
    assert found.samples == 200
    assert np.isnan(found.leads["I"][100:]).all()
    assert np.isnan(found.leads["V1"][:100]).all()
    np.testing.assert_allclose(found.leads["V1"][100:], np.arange(100) * 0.001)


def test_tables_of_the_record_s_own_are_used(tmp_path):
    """Two tables: 0 and a switch in the first, one value and a switch back in the second; bits first to last."""
    entries = [(1, 1, 1, 0, 0b0), (1, 1, 0, 2, 0b1)], [(1, 1, 1, 5, 0b0), (2, 2, 0, 1, 0b01), (2, 10, 1, 0, 0b11)]
    tables = struct.pack("<H", 2) + b"".join(
        struct.pack("<H", len(table)) + b"".join(struct.pack("<BBBhI", *entry) for entry in table) for table in entries
    )
    bits = "0" + "1" + "0" + "11" + "11111110" + "10" + "0"  # 0; switch; 5; -2 of 8 bits; switch back; 0
    data = int(bits.ljust(16, "0"), 2).to_bytes(2, "big")
    sections, _ = less_its_beat()
    rows = struct.pack("<BB", 1, 0x04) + struct.pack("<IIB", 1, 4, 2) + b"\0"
    payload = record({1: sections[1], 2: tables, 3: rows, 6: struct.pack("<HHBBH", 1000, 2000, 0, 0, 2) + data})
    np.testing.assert_allclose(read(payload).leads["II"], np.array([0, 5, -2, 0]) * 0.001)
    (theirs,) = peer(tmp_path, payload).leads
    np.testing.assert_allclose(np.asarray(theirs.samples)[1:3], np.array([0.005, -0.002]))


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.3, 0.9, 0.9999])
def test_a_record_cut_short_is_refused_as_undecodable(share):
    payload = written()
    assert reason(payload[: int(len(payload) * share)]) is Reason.UNDECODABLE


def test_a_damaged_sample_is_found_by_its_section_s_checksum():
    payload = bytearray(written(huffman=False))
    payload[len(payload) // 2] ^= 1
    assert reason(bytes(payload)) is Reason.UNDECODABLE


def test_a_sender_that_writes_no_checksums_is_read():
    whole = bytearray(written(huffman=False))
    for place in range(32, 6 + struct.unpack_from("<I", whole, 10)[0], 10):
        _, size, index = struct.unpack_from("<HII", whole, place)
        if size:
            whole[index - 1 : index + 1] = b"\0\0"
    assert read(bytes(whole)).samples == SIGNAL.shape[1]


def with_section(number, body):
    return record({**sections_of(written(huffman=False)), number: body})


@pytest.mark.parametrize(
    ("number", "change", "expected"),
    [
        (6, lambda body: b"\0\0" + body[2:], Reason.UNKNOWN_UNIT),
        (6, lambda body: body[:2] + b"\0\0" + body[4:], Reason.UNKNOWN_RATE),
        (6, lambda body: body[:4] + b"\3" + body[5:], Reason.UNDECODABLE),
        (6, lambda body: body[:5] + b"\1" + body[6:], Reason.UNSUPPORTED_OBJECT),
        (6, lambda body: body[:-100], Reason.UNDECODABLE),
        (3, lambda body: b"\0" + body[1:], Reason.NO_WAVEFORM),
        (3, lambda body: b"\xff" + body[1:], Reason.TOO_LARGE),
        (3, lambda body: body[:2] + struct.pack("<II", 1, 2**32 - 1) + body[10:], Reason.BAD_VALUE),
        (3, lambda body: body[:10] + b"\2" + body[11:], Reason.UNKNOWN_LEAD),
        (3, lambda body: body[:2] + b"".join(body[n : n + 8] + b"\xc8" for n in range(2, 110, 9)), Reason.UNKNOWN_LEAD),
    ],
)
def test_a_unit_a_rate_or_a_lead_that_is_not_said_is_never_guessed(number, change, expected):
    body = sections_of(written(huffman=False))[number]
    assert reason(with_section(number, change(body))) is expected


def test_a_record_without_its_rhythm_or_its_leads_holds_no_waveform():
    whole = sections_of(written(huffman=False))
    for gone in (3, 6):
        assert reason(record({n: body for n, body in whole.items() if n != gone})) is Reason.NO_WAVEFORM


def test_a_name_that_does_not_fit_its_encoding_is_told_and_an_identifier_that_does_not_is_none():
    header = sections_of(written(huffman=False))[1]
    found = read(with_section(1, header.replace(PATIENT.id.encode(), b"\xff" * len(PATIENT.id))))
    assert ReadWarning.CHARSET_ASSUMED in found.warnings
    assert found.patient.identifiers == ()


def test_a_damaged_header_costs_the_header_and_not_the_ecg():
    found = read(with_section(1, b"\2\xff\xff" + bytes(20)))
    assert found.samples == SIGNAL.shape[1]
    assert found.patient == Patient()
    assert found.acquired_at is None
