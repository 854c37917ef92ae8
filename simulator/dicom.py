"""ECGs as carts store them: DICOM Part 10 files.

What is not said is made from the content, so the same ECG is the same object when written again.
"""

import hashlib
import io
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    TwelveLeadECGWaveformStorage,
)

from domain.ecg import LEADS, Measurements, Sex
from simulator.patient import SyntheticPatient

Leads = NDArray[np.floating[Any]]

_SCP = dict(zip(LEADS, (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), strict=True))  # PS3.16 CID 3001: 5.6.3-9-n, 2:n
_SEX = {Sex.MALE: "M", Sex.FEMALE: "F", Sex.OTHER: "O", Sex.UNKNOWN: ""}
_ANNOTATED = (  # SCPECG annotation code, meaning, unit, attribute of Measurements
    ("5.13.5-7", "PR Interval", "ms", "pr_ms"),
    ("5.13.5-9", "QRS Duration", "ms", "qrs_ms"),
    ("5.13.5-11", "QT Interval", "ms", "qt_ms"),
    ("5.10.2.5-5", "QTc Interval", "ms", "qtc_ms"),
    ("5.10.3-11", "P Axis", "deg", "p_axis_deg"),
    ("5.10.3-13", "QRS Axis", "deg", "qrs_axis_deg"),
    ("5.10.3-15", "T Axis", "deg", "t_axis_deg"),
)
_NOT_REPORTED = Measurements()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOptions:
    """How a multiplex group is written: lead codes (``SCPECG`` or ``MDC``), uV a unit, leads stored.

    ``median_beat``: add a second multiplex group labelled MEDIAN BEAT, as carts do.
    """

    scheme: str = "SCPECG"
    sensitivity_uv: float = 2.5
    leads: tuple[str, ...] = LEADS
    median_beat: bool = False
    implicit_vr: bool = False


_AS_USUAL = GroupOptions()


def write_dicom(
    signal: Leads,
    rate_hz: float,
    patient: SyntheticPatient,
    *,
    acquired_at: datetime,
    uid: str | None = None,
    reported: Measurements = _NOT_REPORTED,
    statements: Iterable[str] = (),
    options: GroupOptions = _AS_USUAL,
) -> bytes:
    """Write a 12-lead ECG Waveform Storage object (PS3.3 A.34.3), Part 10; ``acquired_at`` is aware."""
    content = np.ascontiguousarray(signal, np.float64).tobytes()
    dataset = _object(TwelveLeadECGWaveformStorage, patient, acquired_at, uid or _uid(patient.id, acquired_at, content))
    dataset.Modality = "ECG"
    dataset.AcquisitionContextSequence = [_electrode_placement()]
    dataset.WaveformSequence = [_group(signal, rate_hz, options, "RHYTHM", "ORIGINAL")]
    if options.median_beat:
        beat = signal[:, : round(1.2 * rate_hz)]
        dataset.WaveformSequence.append(_group(beat, rate_hz, options, "MEDIAN BEAT", "DERIVED"))
    annotations = [_statement(text) for text in statements] + _measured(reported)
    if annotations:
        dataset.WaveformAnnotationSequence = annotations
    return _part10(dataset, implicit_vr=options.implicit_vr)


def write_encapsulated_pdf(
    pdf: bytes, patient: SyntheticPatient, *, acquired_at: datetime, uid: str | None = None
) -> bytes:
    """Write an Encapsulated PDF Storage object (PS3.3 A.45.1) around a page, Part 10."""
    dataset = _object(EncapsulatedPDFStorage, patient, acquired_at, uid or _uid(patient.id, acquired_at, pdf))
    dataset.Modality = "ECG"
    dataset.ConversionType = "WSD"
    dataset.BurnedInAnnotation = "YES"
    dataset.DocumentTitle = "12-lead ECG"
    dataset.ConceptNameCodeSequence = [_code("11524-6", "LN", "EKG study")]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    dataset.EncapsulatedDocumentLength = len(pdf)
    return _part10(dataset, implicit_vr=False)


def _uid(patient_id: str, acquired_at: datetime, content: bytes) -> str:
    """A UUID-derived UID (PS3.5 B.2), the same for the same content."""
    digest = hashlib.sha256(f"{patient_id} {acquired_at.isoformat()} ".encode() + content).hexdigest()
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, digest).int}"


def _object(sop_class: str, patient: SyntheticPatient, acquired_at: datetime, uid: str) -> Dataset:
    """The modules both SOP classes share: patient, study, series, equipment, SOP common."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.TimezoneOffsetFromUTC = acquired_at.strftime("%z")
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid
    dataset.PatientName = f"{patient.family}^{patient.given}"
    dataset.PatientID, dataset.IssuerOfPatientID = patient.id, patient.authority
    dataset.PatientBirthDate = patient.birth_date.strftime("%Y%m%d")
    dataset.PatientSex = _SEX[patient.sex]
    dataset.AdmissionID = patient.visit
    dataset.CurrentPatientLocation = patient.location
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (_uid(uid, acquired_at, part) for part in (b"1", b"2"))
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, 1
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.StudyDate = dataset.ContentDate = acquired_at.strftime("%Y%m%d")
    dataset.StudyTime = dataset.ContentTime = acquired_at.strftime("%H%M%S.%f")
    dataset.AcquisitionDateTime = acquired_at.strftime("%Y%m%d%H%M%S.%f%z")
    dataset.Manufacturer, dataset.ManufacturerModelName = "ecgd simulator", "heart"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "0", "1"
    return dataset


def _part10(dataset: Dataset, *, implicit_vr: bool) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit_vr else ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    dataset.file_meta = meta
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    if scheme == "SCPECG":
        item.CodingSchemeVersion = "1.3"
    return item


def _electrode_placement() -> Dataset:
    """PS3.16 TID 3401: ECG acquisition context."""
    item = Dataset()
    item.ValueType = "CODE"
    item.ConceptNameCodeSequence = [_code("5.4.5-33-1", "SCPECG", "Electrode Placement")]
    item.ConceptCodeSequence = [_code("5.4.5-33-1-1", "SCPECG", "Standard 12-lead positions")]
    return item


def _group(signal: Leads, rate_hz: float, options: GroupOptions, label: str, originality: str) -> Dataset:
    """One multiplex group (PS3.3 C.10.9) of 16-bit samples, channels interleaved."""
    rows = np.asarray(signal, np.float64)[[LEADS.index(lead) for lead in options.leads]]
    units = np.rint(rows * 1000 / options.sensitivity_uv)
    if np.abs(units).max() > 32767:
        raise ValueError("the signal does not fit into 16 bits at this sensitivity")
    group = Dataset()
    group.WaveformOriginality, group.MultiplexGroupLabel = originality, label
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = units.shape
    group.SamplingFrequency = f"{rate_hz:g}"
    group.ChannelDefinitionSequence = [_channel(lead, options) for lead in options.leads]
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformData = units.T.astype("<i2").tobytes()
    return group


def _channel(lead: str, options: GroupOptions) -> Dataset:
    channel = Dataset()
    prefix = {"SCPECG": "5.6.3-9-", "MDC": "2:"}[options.scheme]
    channel.ChannelSourceSequence = [_code(f"{prefix}{_SCP[lead]}", options.scheme, f"Lead {lead}")]
    channel.ChannelSensitivity = f"{options.sensitivity_uv:g}"
    channel.ChannelSensitivityUnitsSequence = [_code("uV", "UCUM", "microvolt")]
    channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline, channel.ChannelSampleSkew = "1", "0", "0"
    channel.WaveformBitsStored = 16
    channel.FilterLowFrequency, channel.FilterHighFrequency = "0.05", "150"
    return channel


def _statement(text: str) -> Dataset:
    item = Dataset()
    item.UnformattedTextValue, item.ReferencedWaveformChannels, item.AnnotationGroupNumber = text, [1, 0], 0
    return item


def _measured(reported: Measurements) -> list[Dataset]:
    values = [(*row[:3], getattr(reported, row[3])) for row in _ANNOTATED]
    if reported.heart_rate_bpm:
        values.insert(0, ("5.10.2.1-3", "RR Interval", "ms", 60_000 / reported.heart_rate_bpm))
    items = []
    for code, meaning, unit, value in values:
        if value is None:
            continue
        item = Dataset()
        item.ConceptNameCodeSequence = [_code(code, "SCPECG", meaning)]
        item.MeasurementUnitsCodeSequence = [_code(unit, "UCUM", unit)]
        item.NumericValue, item.ReferencedWaveformChannels, item.AnnotationGroupNumber = f"{value:.0f}", [1, 0], 1
        items.append(item)
    return items
