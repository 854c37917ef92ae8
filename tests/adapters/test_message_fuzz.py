"""HL7 messages and DICOM objects with any octet, field or element put out of joint: read, or refused with a reason.

30 cases of each kind, message and object: 540, and nine headers. By hand: ECGD_FUZZ=20000.
"""

import base64
import contextlib
import os
import re
import time
from datetime import UTC, datetime
from io import BytesIO

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from adapters import dicom, hl7
from adapters.hl7_reference import embedded, references
from adapters.hl7_report import said, withdrawn
from adapters.recording import Recording
from config.schema import Hl7Sender, Reading
from domain.arrival import Arrival, Format
from domain.ecg import Measurements
from domain.errors import Rejected
from domain.report import Report
from simulator.files import Envelope, write_aecg, write_dicom, write_encapsulated_pdf, write_oru_na
from simulator.heart import ecg, varied
from simulator.patient import SyntheticPatient
from tests.adapters.objects import REAL, encoded, real
from tests.adapters.test_reading_fuzz import CHANGES, damaged

CASES = int(os.environ.get("ECGD_FUZZ", "30"))
READING = Reading(hl7_senders=(Hl7Sender(waveform_rate_hz=500, waveform_uv_per_unit=5, charset="gb18030"),))
AT = datetime(2024, 3, 1, tzinfo=UTC)
PATIENT = SyntheticPatient.seeded(7)
SIGNAL = ecg(varied(7, seconds=2), 7)[:, :200]
SAID = Measurements(heart_rate_bpm=70, pr_ms=160, qrs_ms=90, qt_ms=400, qtc_ms=420, qrs_axis_deg=40)
MUSE = "\r".join(
    [
        "MSH|^~\\&|MUSE|ED|ECGD|HOSP|20240301||ORU^R01^ORU_R01|M1|P|2.4||||||UNICODE UTF-8",
        "PID|1||4711^^^HOSP&1.2.3&ISO^MR~99^^^SSA^SS||Müller^J\\T\\||19500203|F",
        "PV1|1|E|ED^R1^B2||||||||||||||||V77^^^HOSP^VN",
        "ORC|RE|P1^HIS|F1^ECG",
        "OBR|1|P1^HIS|F2^MUSE|93000^12 Lead^C4||20240301|20240301101743^10%2017%2043%200||||||||||||||||F",
        "OBX|1|ST|552^Ventricular Rate||79|BPM|||||F",
        "OBX|2|NM|8625-6^PR^LN||150|ms|||||F",
        "OBX|3|ST|15603^PD^P Duration|I^II^V1|102^102^54|msec|||||F|",
        "OBX|4|FT|DIAG^Diagnosis||Sinus rhythm~Left \\T\\ right\\.br\\ \\X41\\ECG||||||F",
        "OBX|5|RP|MUSEWebURL||http://muse/museweb.dll?ID=1\\T\\Ext=PDF^^AP^PDF||||||F",
        "OBX|6|ED|PDF^Report||^application^pdf^Base64^"
        + base64.b64encode(b"%PDF-1.4\n" + bytes(900)).decode()
        + "||||||F",
        "ZEX|1|x",
        "",
    ]
)
ARRAY = "\r".join(
    [
        *MUSE.split("\r")[:5],
        "OBX|1|MA|W^Waveform|I^II^V1|" + "~".join(f"{n}^{2 * n}^{-n}" for n in range(60)) + "|uV|||||F",
        "OBX|2|NA|131329^MDC_ECG_ELEC_POTL_I^MDC||" + "^".join(map(str, range(60))) + "||||||F",
        "OBX|3|NM|0^MDC_ATTR_SAMP_RATE^MDC||500|264608^MDC_DIM_PER_SEC^MDC|||||F",
        "OBX|4|NM|2327^MDC_ATTR_NU_MSMT_RES^MDC||5|266419^MDC_DIM_MICRO_VOLT^MDC|||||F",
        "",
    ]
)
MESSAGES = {
    "waveforms": write_oru_na(SIGNAL, 500, PATIENT, acquired_at=AT, envelope=Envelope(control_id="S1"), reported=SAID),
    "measurements, link and page": MUSE.encode(),
    "arrays": ARRAY.encode(),
    "gb18030, unsaid": MUSE.replace("|UNICODE UTF-8", "").replace("Müller", "柴宏勋").encode("gb18030"),
    "utf-16": MUSE.encode("utf-16"),
    "an aECG embedded": embedded(
        MUSE.replace("Müller", "Muller").encode(),
        "http://muse/museweb.dll?ID=1&Ext=PDF",
        write_aecg(SIGNAL, 500, PATIENT, acquired_at=AT),
    ),
}
OBJECTS = {
    "explicit": write_dicom(SIGNAL, 500, PATIENT, acquired_at=AT, reported=SAID, statements=["Sinus"]),
    "implicit": encoded(
        pydicom.dcmread(BytesIO(write_dicom(SIGNAL, 500, PATIENT, acquired_at=AT))), ImplicitVRLittleEndian
    ),
    "real": REAL.read_bytes(),
    "page": write_encapsulated_pdf(b"%PDF-1.4\n" + bytes(900), PATIENT, acquired_at=AT),
}
ODD = st.one_of(
    st.sampled_from(
        ("", '""', "^" * 300, "~" * 300, "&" * 9, "\\", "\\X", "\\X41", "-1", "1e308", "nan", "9" * 400, "\0", "٣")
    ),
    st.text(max_size=40),
    st.floats().map(str),
    st.integers().map(str),
)
BOUNDED = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
LONGEST_S = 3.0  # of processor time, for whatever else the machine does meanwhile


@contextlib.contextmanager
def soon():
    """A refusal is an answer, and either comes soon."""
    began = time.process_time()
    with contextlib.suppress(Rejected):
        yield
    assert time.process_time() - began < LONGEST_S


def everything(payload: bytes) -> None:
    """All that is ever asked of a message."""
    arrival = Arrival(key="k", format=Format.HL7, payload=payload or b" ", source="hl7:MUSE^ED", received_at=AT)
    with soon():
        assert all(isinstance(one, Recording) for one in hl7.read(payload, arrival.source, READING))
    for ask in (said, withdrawn):
        with soon():
            assert all(isinstance(one, Report) for one in ask(arrival, READING))
    for url in references(payload):
        assert embedded(payload, url, b"%PDF-1.4")


@pytest.mark.parametrize("name", MESSAGES)
@BOUNDED
@given(changes=CHANGES)
def test_a_message_with_any_octets_changed(name, changes):
    everything(damaged(MESSAGES[name], changes))


@pytest.mark.parametrize("name", MESSAGES)
@BOUNDED
@given(which=st.integers(0, 10_000), text=ODD, more=st.integers(1, 3))
def test_a_message_with_any_field_or_component_changed(name, which, text, more):
    """Well-formed, so that it is what is made of the fields that has to bear it."""
    whole = MESSAGES[name].decode("utf-16" if name == "utf-16" else "latin-1")
    pieces = re.split(r"([|^~\r])", whole)
    for turn in range(more):
        pieces[2 * ((which + 37 * turn) % (len(pieces) // 2))] = text
    everything("".join(pieces).encode("utf-16" if name == "utf-16" else "utf-8", "replace"))


@pytest.mark.parametrize("signs", ["|^~\\&", "#*%@!", "|||||", "     ", "ABCDE", "\\\\\\\\\\", "|^", "|", ""])
def test_any_characters_may_be_declared_to_separate(signs):
    everything(b"MSH" + signs.encode() + MESSAGES["waveforms"][8:])


@pytest.mark.parametrize("name", OBJECTS)
@BOUNDED
@given(changes=CHANGES)
def test_an_object_with_any_octets_changed(name, changes):
    with soon():
        assert all(isinstance(one, Recording) for one in dicom.read(damaged(OBJECTS[name], changes), "", READING))


@pytest.mark.parametrize("name", ["explicit", "real"])
@BOUNDED
@given(which=st.integers(0, 10_000), value=st.one_of(ODD, st.binary(max_size=30), st.just(None)))
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of what is written here
def test_an_object_with_any_element_changed_or_gone(name, which, value):
    dataset = pydicom.dcmread(BytesIO(OBJECTS[name]))
    places = [(owner, element) for owner, element in _elements(dataset)]
    owner, element = places[which % len(places)]
    if value is None:
        del owner[element.tag]
    else:
        element.VR, element._value = "OB" if isinstance(value, bytes) else "LO", value
    out = BytesIO()
    with contextlib.suppress(Exception):  # not every change can be written
        pydicom.dcmwrite(out, dataset)
    with soon():
        assert all(isinstance(one, Recording) for one in dicom.read(out.getvalue(), "", READING))


def _elements(dataset):
    for element in dataset:
        yield dataset, element
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item)


def test_the_real_object_is_read_in_big_endian_too():
    assert dicom.read(encoded(real(), ExplicitVRBigEndian), "", READING)
