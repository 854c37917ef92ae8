"""DICOM ECG objects for tests: the real one that pydicom ships, and variations of it."""

import copy
import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from adapters import dicom
from config.schema import Reading

REAL = Path(get_testdata_file("waveform_ecg.dcm"))
READING = Reading()
SCP_LEADS = {"I": 1, "II": 2, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64} | {f"V{n}": n + 2 for n in range(1, 7)}


def real() -> pydicom.FileDataset:
    """A fresh copy of the real 12-lead object (Mortara, 1000 Hz)."""
    return pydicom.dcmread(REAL)


def encoded(dataset, syntax=None) -> bytes:
    """The object as a Part 10 file, in another transfer syntax where asked."""
    out = BytesIO()
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def read(dataset, settings=READING):
    """What the adapter makes of the object."""
    (recording,) = dicom.read(encoded(dataset), "dicom:TEST", settings)
    return recording


def code(value, scheme, meaning="") -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def channel(lead_code="5.6.3-9-1", scheme="SCPECG", unit="uV", sensitivity="1", correction="1", baseline="0"):
    """One channel definition."""
    made = Dataset()
    made.ChannelSourceSequence = code(lead_code, scheme)
    made.ChannelSensitivity = sensitivity
    made.ChannelSensitivityUnitsSequence = code(unit, "UCUM")
    made.ChannelSensitivityCorrectionFactor = correction
    made.ChannelBaseline = baseline
    made.ChannelSampleSkew = "0"
    made.WaveformBitsStored = 16
    return made


def group(samples, channels, *, rate_hz=500, label="RHYTHM", originality="ORIGINAL", interpretation="SS"):
    """A multiplex group of ``samples`` ``[n, channels]``, of the bits allocated that their type has."""
    made = Dataset()
    made.WaveformOriginality = originality
    made.NumberOfWaveformSamples, made.NumberOfWaveformChannels = samples.shape
    made.SamplingFrequency = str(rate_hz)
    if label is not None:
        made.MultiplexGroupLabel = label
    made.ChannelDefinitionSequence = Sequence(channels)
    made.WaveformBitsAllocated = samples.dtype.itemsize * 8
    made.WaveformSampleInterpretation = interpretation
    data = samples.tobytes()
    made.add_new("WaveformData", "OB" if samples.dtype.itemsize == 1 else "OW", data + b"\0" * (len(data) % 2))
    return made


def holding(*groups):
    """The real object's header over other multiplex groups."""
    made = copy.deepcopy(real())
    made.WaveformSequence = Sequence(groups)
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def one(samples, **definition):
    """An object of one channel, lead I."""
    array = np.asarray(samples)
    sign, width = array.dtype.kind, array.dtype.itemsize
    interpretation = {"i1": "SB", "u1": "UB", "i2": "SS", "u2": "US", "i4": "SL", "u4": "UL"}[f"{sign}{width}"]
    return holding(group(array[:, None], [channel(**definition)], interpretation=interpretation))


def samples_folder() -> Path:
    """Where the real ECGs are; skips, or in CI fails, when they are not there."""
    folder = os.environ.get("ECGD_SAMPLES")
    if not folder:
        if os.environ.get("CI"):
            pytest.fail("ECGD_SAMPLES is not set; CI sets it to the folder of real ECGs")
        pytest.skip("ECGD_SAMPLES names no folder of real ECGs")
    return Path(folder)
