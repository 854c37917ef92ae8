"""The one real ECG that comes with a dependency: pydicom's 12-lead test object (Mortara ELI 250, anonymous)."""

from pathlib import Path

from pydicom.data import get_testdata_file


def real_dicom() -> Path:
    """The Part 10 file in pydicom's wheel: 12 leads, 10 s at 1000 Hz, RHYTHM and MEDIAN BEAT groups."""
    found = get_testdata_file("waveform_ecg.dcm", download=False)
    if found is None:
        raise FileNotFoundError("pydicom's wheel lacks test_files/waveform_ecg.dcm")
    return Path(str(found))
