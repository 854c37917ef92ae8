"""Damaged ECGs in every format but PDF: read, or refused with a reason; nothing else, and in bounded time.

150 copies of each of eleven files, 150 times a number changed in each of four: 2,250 cases. By hand: ECGD_FUZZ=20000.
"""

import contextlib
import os
import struct
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import dicom, scp, xml
from adapters.recording import Recording
from config.schema import Reading
from domain.arrival import sniff
from domain.ecg import Measurements
from domain.errors import Rejected
from simulator.files import write_aecg, write_dicom, write_scp
from simulator.heart import ecg, varied
from simulator.patient import SyntheticPatient
from tests.adapters import xml_objects as made

CASES = int(os.environ.get("ECGD_FUZZ", "150"))
READING = Reading()
SIGNAL = ecg(varied(7, seconds=2.5), 7)[:, :300]
SAID = Measurements(heart_rate_bpm=70, pr_ms=160, qrs_ms=90, qt_ms=400, qtc_ms=420, qrs_axis_deg=40)
WRITTEN = {
    "reported": SAID, "statements": ["Sinusrhythmus"], "acquired_at": datetime(2024, 3, 1, tzinfo=UTC),
    "patient": SyntheticPatient.seeded(7),
}  # fmt: skip


def without_sums(record) -> bytes:
    """An SCP record of a sender that writes no checksums, so that damage gets past them."""
    made = bytearray(record)
    for place in range(22, 6 + struct.unpack_from("<I", made, 10)[0], 10):
        number, size, index = struct.unpack_from("<HII", made, place)
        if number and size:
            made[index - 1 : index + 1] = b"\0\0"
    return bytes(made)


FILES = {
    "dicom": (dicom.read, write_dicom(SIGNAL, 500, **WRITTEN)),
    "scp": (scp.read, write_scp(SIGNAL, 500, **WRITTEN, huffman=False)),
    "scp, huffman": (scp.read, write_scp(SIGNAL, 500, **WRITTEN)),
    "scp, unchecked": (scp.read, without_sums(write_scp(SIGNAL, 500, **WRITTEN, huffman=False))),
    "scp, huffman, unchecked": (scp.read, without_sums(write_scp(SIGNAL, 500, **WRITTEN))),
    "aecg": (xml.read, write_aecg(SIGNAL, 500, **WRITTEN)),
    "muse": (xml.read, made.muse_of(made.counts(8, 100))),
    "sierra": (xml.read, made.sierra_of(made.counts(12, 100))),
    "sierra, utf-16": (xml.read, made.sierra_of(made.counts(12, 100)).decode().encode("utf-16")),
    "cardiosoft": (xml.read, made.cardiosoft(made.counts(12, 100))),
    "cardiosoft, median": (xml.read, made.cardiosoft(median=made.counts(12, 100))),
}
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(("put", "cut", "double", "zero", "end")),
        st.integers(0, 2**20),
        st.integers(1, 300),
        st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=4,
)


def damaged(payload, changes) -> bytes:
    """Places count from the start or, in the upper half, are spread over the whole file."""
    whole = bytearray(payload)
    for how, where, length, content in changes:
        start = where % max(len(whole), 1)
        piece = whole[start : start + length]
        if how == "put":
            whole[start : start + len(content)] = content
        elif how == "end":
            del whole[start:]
        else:
            whole[start : start + length] = {"cut": b"", "double": piece * 2, "zero": bytes(len(piece))}[how]
    return bytes(whole)


@pytest.mark.parametrize("name", FILES)
def test_the_undamaged_file_is_read(name):
    read, payload = FILES[name]
    assert sniff(payload) is not None
    assert all(isinstance(found, Recording) for found in read(payload, "", READING))


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=CASES, deadline=5000, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES)
def test_damaged_files_are_read_or_refused_and_nothing_else_happens(name, changes):
    read, payload = FILES[name]
    with contextlib.suppress(Rejected):
        assert all(isinstance(found, Recording) for found in read(damaged(payload, changes), "", READING))


NUMBERS = st.one_of(
    st.sampled_from(("", "-1", "0", "1e308", "-1e308", "1e-308", "nan", "inf", "9" * 400, "٣", "0x10", "1_0", "5,5")),
    st.floats().map(str),
    st.integers().map(str),
)


@pytest.mark.parametrize("name", ["aecg", "muse", "sierra", "cardiosoft"])
@settings(max_examples=CASES, deadline=5000, suppress_health_check=list(HealthCheck))
@given(which=st.integers(0, 10_000), number=NUMBERS)
def test_any_number_of_a_document_may_be_any_other(name, which, number):
    """Well-formed, so that it is the readers and not the parser that have to bear it."""
    read, payload = FILES[name]
    text = payload.decode("latin-1")
    runs = [(m.start(), m.end()) for m in made.NUMBER.finditer(text)]
    start, end = runs[which % len(runs)]
    with contextlib.suppress(Rejected):
        read((text[:start] + number + text[end:]).encode("latin-1", "replace"), "", READING)
