"""A finding as HL7 v2.5.1 ORU^R01: pure, the same bytes for the same finding.

Times carry their zone, text is UTF-8 and said to be (MSH-18). Each answer is an OBX with its sentences as NTE behind
it; the ECG with the heat maps is an OBX of type ED. OBX-11: F; P while the model is a stand-in; X where no estimate
could be made; C where the result takes an earlier one's place; W (posted as wrong) when it is taken back.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from config.schema import Hl7v2
from delivery import narrative
from delivery.coding import LOINC, MEASUREMENTS, WHAT
from delivery.estimate import Answer, model_of
from delivery.report import pdf
from delivery.study import known, png
from domain.ecg import Identifier, Sex
from domain.finding import Assessment, Finding, Output, Status
from domain.person import record_numbers

CONTENT_TYPE = "x-application/hl7-v2+er7; charset=utf-8"
_SEX = {Sex.MALE: "M", Sex.FEMALE: "F", Sex.OTHER: "O", Sex.UNKNOWN: "U"}
_CODES = {Output.ARREST: "arrest-risk", Output.POTASSIUM: "potassium-from-ecg"}
_FLAGS = {"severe_low": "LL", "low": "L", "normal": "N", "moderate": "A", "high": "H", "severe_high": "HH"}
_ARREST_FLAGS = {"normal": "N", "moderate": "A", "high": "AA"}
_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": " ", "\n": "\\.br\\"}
_STUDY = "11524-6^EKG study^LN"


def control_id(key: str) -> str:
    """MSH-10, at most 20 characters: the same for the same message, however often it is sent."""
    return hashlib.sha256(key.encode()).hexdigest()[:20]


def oru(finding: Finding, settings: Hl7v2, replaced: tuple[str, ...] = ()) -> bytes:
    """Build the message for one finding, in place of those ``replaced``."""
    segments = [
        _msh(finding, settings),
        _pid(finding),
        _pv1(finding),
        _obr(finding, replaced),
        *_notes(_about(finding, replaced)),
        *_observations(finding, settings, replaced),
    ]
    return ("\r".join(segments) + "\r").encode("utf-8", "replace")


def taken_back(sent: bytes, key: str, line: str) -> bytes:
    """Turn a message that was sent into one of its own that says that its results were wrong, and why."""
    segments = sent.decode("utf-8").rstrip("\r").split("\r")
    return ("\r".join(_wrong(segments, control_id(key), line)) + "\r").encode("utf-8")


def _wrong(segments: Sequence[str], number: str, line: str) -> Iterator[str]:
    for segment in segments:
        fields = segment.split("|")
        if fields[0] == "MSH":
            fields[9] = number
        elif fields[0] == "OBX":
            fields[11] = "W"
        elif fields[0] == "OBR":
            fields[25] = "C"  # table 0123 has no W
        yield "|".join(fields)
        if fields[0] == "OBR":
            yield _segment("NTE", ["0", "L", escaped(line)])


def escaped(text: str) -> str:
    """Text with the delimiters escaped (2.7)."""
    return "".join(_ESCAPES.get(mark, mark) for mark in text)


def _segment(name: str, fields: Iterable[str]) -> str:
    return f"{name}|{'|'.join(fields)}".rstrip("|")


def _time(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S%z" if moment.utcoffset() is not None else "%Y%m%d%H%M%S")


def _msh(finding: Finding, settings: Hl7v2) -> str:
    who = (settings.sending, settings.sending_facility, settings.receiving, settings.receiving_facility)
    number = control_id(f"{finding.key}:{settings.channel}")
    head = [*map(escaped, who), _time(finding.decided_at), "", "ORU^R01^ORU_R01", number, settings.processing_id]
    return "MSH|^~\\&|" + "|".join([*head, "2.5.1", "", "", "", "", "", "UNICODE UTF-8"])


def _cx(identifier: Identifier) -> str:
    return f"{escaped(identifier.value)}^^^{escaped(identifier.authority)}^{escaped(identifier.type)}".rstrip("^")


def _pid(finding: Finding) -> str:
    patient = finding.ecg.patient
    numbers = "~".join(map(_cx, record_numbers(patient)))
    name = f"{escaped(patient.family)}^{escaped(patient.given)}".rstrip("^")
    born = f"{patient.birth_date:%Y%m%d}" if patient.birth_date else ""
    return _segment("PID", ["1", "", numbers, "", name, "", born, _SEX.get(patient.sex, "U")])


def _pv1(finding: Finding) -> str:
    order = finding.ecg.order
    visit = _cx(order.encounter) if order.encounter else ""
    return _segment("PV1", ["1", "U", escaped(order.location), *[""] * 15, visit])


def _obr(finding: Finding, replaced: Sequence[str]) -> str:
    order, taken = finding.ecg.order, finding.ecg.acquired_at or finding.received_at
    head = ["1", escaped(order.placer), f"{finding.key}^ECGD", _STUDY, "", "", _time(taken)]
    return _segment("OBR", [*head, *[""] * 14, _time(finding.decided_at), "", "EC", _result(finding, replaced)])


def _result(finding: Finding, replaced: Sequence[str]) -> str:
    stand_in = any(model_of(answer).status is Status.STAND_IN for answer in _answers(finding))
    return "P" if stand_in else "C" if replaced else "F"


def _answers(finding: Finding) -> tuple[Answer, ...]:
    return (*finding.assessments, *finding.abstentions)


def _unidentified(finding: Finding) -> tuple[str, ...]:
    if record_numbers(finding.ecg.patient):
        return ()
    return (f"PATIENT NOT IDENTIFIED: the ECG came without a record number (ECG {finding.key}).",)


def _about(finding: Finding, replaced: Sequence[str]) -> Iterator[str]:
    yield from _unidentified(finding)
    yield from (f"This result takes the place of that of ECG {key}, which was wrong or worse." for key in replaced)
    if not _answers(finding):
        yield from narrative.whole(finding)


def _notes(lines: Iterable[str]) -> Iterator[str]:
    return (_segment("NTE", [str(number), "L", escaped(line)]) for number, line in enumerate(lines, start=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Obx:
    """One observation; the number is given when it is written."""

    kind: str
    code: str
    value: str
    status: str
    unit: str = ""
    flag: str = ""
    method: str = ""
    device: str = ""
    notes: tuple[str, ...] = ()


def _observations(finding: Finding, settings: Hl7v2, replaced: Sequence[str]) -> Iterator[str]:
    taken = _time(finding.ecg.acquired_at or finding.received_at)
    settled = "C" if replaced else "F"
    found = [
        *(_answer(answer, finding, settled) for answer in _answers(finding)),
        *_measurements(finding, settled),
        *_picture(finding, settings, _result(finding, replaced)),
    ]
    for number, one in enumerate(found, start=1):
        fields = [str(number), one.kind, one.code, "1", one.value, one.unit, "", one.flag, "", "", one.status]
        yield _segment("OBX", [*fields, "", "", taken, "", "", one.method, one.device])
        yield from _notes(one.notes)


def _answer(answer: Answer, finding: Finding, settled: str) -> _Obx:
    model = model_of(answer)
    stand_in = model.status is Status.STAND_IN
    name = f"{'STAND-IN MODEL, TEST ONLY: ' if stand_in else ''}{WHAT[model.output]}"
    kind, value, unit, flag = _value(answer)
    return _Obx(
        kind=kind,
        code=f"{_CODES[model.output]}^{escaped(name)}^99ECGD",
        value=value,
        unit=unit,
        flag=flag,
        status="X" if not isinstance(answer, Assessment) else "P" if stand_in else settled,
        method="^Neural network on the 12-lead ECG",
        device=f"{escaped(model.model)}^{escaped(model.version)}",
        notes=tuple(line for line in narrative.told(answer, finding) if escaped(line) != value),  # not twice
    )


def _value(answer: Answer) -> tuple[str, str, str, str]:
    """OBX-2, 5, 6 and 8."""
    if not isinstance(answer, Assessment):
        return "TX", escaped(narrative.refusal(answer)), "", ""
    score = answer.score
    if score.output is Output.ARREST:
        return "NM", f"{100 * score.value:.2f}", "%^percent^UCUM", _ARREST_FLAGS.get(answer.level, "A")
    flag = _FLAGS.get(answer.level, "A")
    if score.censored:
        return "SN", f"{score.censored}^{score.value:.2f}", "mmol/L^^UCUM", flag
    return "NM", f"{score.value:.2f}", "mmol/L^^UCUM", flag


def _measurements(finding: Finding, settled: str) -> Iterator[_Obx]:
    for measurement in MEASUREMENTS:
        if (found := known(measurement, finding)) is None:
            continue
        _, value, source = found
        system = "LN" if measurement.coding["system"] == LOINC else "99ECGD"
        code = f"{measurement.coding['code']}^{escaped(measurement.text)}^{system}"
        yield _Obx(
            kind="NM", code=code, value=str(value), unit=f"{measurement.unit}^^UCUM", status=settled,
            notes=(f"{source[0].upper()}{source[1:]}, not confirmed by a person.",),
        )  # fmt: skip


def _picture(finding: Finding, settings: Hl7v2, status: str) -> Iterator[_Obx]:
    if settings.picture == "none":
        return
    kind, subtype, content = (
        ("application", "pdf", pdf(finding, _unidentified(finding)))
        if settings.picture == "pdf"
        else ("image", "png", png(finding.ecg.picture))
    )
    data = f"^{kind}^{subtype}^Base64^{b64encode(content).decode('ascii')}"
    yield _Obx(kind="ED", code=_STUDY, value=data, status=status)
