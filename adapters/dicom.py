"""A DICOM object as recordings: 12-lead, general and ambulatory ECG waveforms, and encapsulated PDF.

DICOM PS3.3 A.34.3, A.34.4, A.45.1; C.10.9 (waveform), C.10.10 (annotation), C.7.1 (patient), C.3.4 (visit).
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
from pydicom import config as pydicom_config
from pydicom.errors import BytesLengthException, InvalidDicomError

from adapters import envelope, pdf
from adapters.codes import clean
from adapters.dicom_header import device, order, patient
from adapters.dicom_report import reported, statements
from adapters.dicom_samples import raw_samples
from adapters.dicom_time import acquired_at
from adapters.dicom_waveform import waveform
from adapters.recording import Recording
from config.schema import Reading
from domain.arrival import Format
from domain.ecg import ReadWarning
from domain.errors import Rejected
from domain.reason import Reason

_WAVEFORMS = {
    "1.2.840.10008.5.1.4.1.1.9.1.1",  # 12-lead ECG
    "1.2.840.10008.5.1.4.1.1.9.1.2",  # General ECG
    "1.2.840.10008.5.1.4.1.1.9.1.3",  # Ambulatory ECG
    "1.2.840.10008.5.1.4.1.1.9.1.4",  # General 32-bit ECG
}
_ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"

# What pydicom lets out on damaged bytes, seen by mutating a real object; it decodes late, at any attribute's first use.
_DAMAGED = (
    BytesLengthException,
    InvalidDicomError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    OSError,
    RecursionError,
    AssertionError,
    struct.error,
    zlib.error,
)


def read(payload: bytes, source: str, settings: Reading) -> tuple[Recording, ...]:
    """Read one DICOM Part 10 object. Raises ``Rejected`` and nothing else, whatever the bytes."""
    with _readable():
        dataset = _dataset(payload)
        if _sop_class(dataset) in _WAVEFORMS:
            return (_ecg(dataset, settings),)
        if _sop_class(dataset) != _ENCAPSULATED_PDF:
            raise Rejected(Reason.UNSUPPORTED_OBJECT, "neither an ECG waveform nor an encapsulated PDF")
        document, header = _document(dataset), _header(dataset, settings)
    pages = pdf.read(document, source, settings)
    return tuple(_under(header, page, alone=len(pages) == 1) for page in pages)


def same_samples(a: bytes, b: bytes) -> bool:
    """Tell whether two encodings hold one object: the same samples and calibration of the same person and moment.

    Senders and archives re-encode between transfers, so bytes differ (Implicit, Explicit VR). A corrected patient or
    order under the same UID is another content. ``False`` when either cannot be read.
    """
    try:
        with _readable():
            return _content(_dataset(a)) == _content(_dataset(b))
    except Rejected:
        return False


@contextmanager
def _readable() -> Iterator[None]:
    """Silence pydicom, whose warnings and log lines quote values, and make its many exceptions one that does not."""
    mode, disabled = pydicom_config.settings.reading_validation_mode, pydicom_config.logger.disabled
    pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
    pydicom_config.logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except _DAMAGED as error:
        raise Rejected(Reason.UNDECODABLE, f"not a readable DICOM object ({type(error).__name__})") from None
    finally:
        pydicom_config.settings.reading_validation_mode, pydicom_config.logger.disabled = mode, disabled


def _dataset(payload: bytes) -> Any:
    return pydicom.dcmread(BytesIO(payload))


def _sop_class(dataset: Any) -> str:
    uid = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID")
    return clean(str(uid or ""))


def _big_endian(dataset: Any) -> bool:
    return str(dataset.file_meta.get("TransferSyntaxUID", "")) == _BIG_ENDIAN


def _header(dataset: Any, settings: Reading) -> dict[str, Any]:
    moment, doubts = acquired_at(dataset, settings.timezone, document=_sop_class(dataset) == _ENCAPSULATED_PDF)
    return {
        "instance": clean(str(dataset.get("SOPInstanceUID") or "")),
        "acquired_at": moment,
        "patient": patient(dataset),
        "order": order(dataset),
        "device": device(dataset),
        "warnings": doubts,
    }


def _ecg(dataset: Any, settings: Reading) -> Recording:
    found = waveform(dataset, _big_endian(dataset))
    values, odd = reported(dataset)
    recording = Recording(
        format=Format.DICOM,
        leads=found.leads,
        rate_hz=found.rate_hz,
        median_only=found.median_only,
        reported=values,
        statements=statements(dataset),
        **_header(dataset, settings),
    )
    doubts = {ReadWarning.PADDING_FOUND: found.padding, ReadWarning.MEASUREMENT_UNIT_ODD: odd}
    return recording.warn(*(doubt for doubt, holds in doubts.items() if holds))


def _document(dataset: Any) -> bytes:
    """The encapsulated PDF without the byte that made its length even (PS3.3 C.24.2)."""
    if clean(str(dataset.get("MIMETypeOfEncapsulatedDocument") or "application/pdf")).lower() != "application/pdf":
        raise Rejected(Reason.UNSUPPORTED_OBJECT, "the encapsulated document is no PDF")
    document = bytes(dataset.get("EncapsulatedDocument") or b"")
    if not document:
        raise Rejected(Reason.NO_WAVEFORM, "no encapsulated document")
    length = int(dataset.get("EncapsulatedDocumentLength") or len(document))
    return document[:length] if length == len(document) - 1 else document


def _under(header: dict[str, Any], page: Recording, *, alone: bool) -> Recording:
    """The page's ECG under the object's header: who, which order and when are the header's wherever it says so."""
    return replace(
        envelope.under(page, header["patient"], header["acquired_at"], header["warnings"], alone=alone),
        format=Format.DICOM,
        instance=header["instance"] or page.instance,
        order=header["order"] if header["order"] != type(header["order"])() else page.order,
        device=header["device"] if header["device"] != type(header["device"])() else page.device,
    )


_IDENTITY = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber",
             "AdmissionID", "AcquisitionDateTime", "SOPInstanceUID")  # fmt: skip
_CALIBRATION = ("ChannelSensitivity", "ChannelSensitivityCorrectionFactor", "ChannelBaseline", "ChannelSampleSkew")


def _content(dataset: Any) -> tuple[object, ...]:
    identity = tuple(clean(str(dataset.get(keyword) or "")) for keyword in _IDENTITY)
    if _sop_class(dataset) == _ENCAPSULATED_PDF:
        return (*identity, _document(dataset))
    if not dataset.get("WaveformSequence"):
        raise Rejected(Reason.NO_WAVEFORM)
    return (*identity, *(_group_content(group, _big_endian(dataset)) for group in dataset.WaveformSequence))


def _group_content(group: Any, big_endian: bool) -> tuple[object, ...]:
    raw = raw_samples(group, big_endian)
    channels = tuple(
        (
            tuple(float(channel.get(keyword) or 0) for keyword in _CALIBRATION),
            tuple(clean(str(source.get("CodeValue") or "")) for source in channel.get("ChannelSourceSequence") or ()),
            tuple(clean(str(u.get("CodeValue") or "")) for u in channel.get("ChannelSensitivityUnitsSequence") or ()),
        )
        for channel in group.ChannelDefinitionSequence
    )
    return float(group.SamplingFrequency), raw.shape, np.asarray(raw, np.int64).tobytes(), channels
