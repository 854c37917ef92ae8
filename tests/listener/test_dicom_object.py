import io
import subprocess

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence

from domain.errors import Rejected
from domain.reason import Reason
from listener.dicom_object import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    TRANSFER_SYNTAXES,
    Identity,
    examine,
    part10_head,
    valid_uid,
)
from tests import peers

ECG = "1.2.840.10008.5.1.4.1.1.9.1.1"
UID = "1.2.3.4"


def encode(data_set, transfer_syntax):
    out = io.BytesIO()
    data_set.save_as(
        out,
        implicit_vr=transfer_syntax == IMPLICIT_LITTLE,
        little_endian=transfer_syntax != EXPLICIT_BIG,
        enforce_file_format=False,
    )
    return out.getvalue()


def nested(undefined):
    """A data set with sequences in sequences before and after its UIDs."""
    inner = Dataset()
    inner.CodeValue = "5.6.3-9-1"
    inner.is_undefined_length_sequence_item = undefined
    outer = Dataset()
    outer.SOPInstanceUID = "9.9.9"  # not the object's own
    outer.ChannelSourceSequence = Sequence([inner, inner])
    outer["ChannelSourceSequence"].is_undefined_length = undefined
    outer.is_undefined_length_sequence_item = undefined
    data_set = Dataset()
    data_set.LanguageCodeSequence = Sequence([outer])
    data_set["LanguageCodeSequence"].is_undefined_length = undefined
    data_set.SOPClassUID = ECG
    data_set.SOPInstanceUID = UID
    data_set.WaveformSequence = Sequence([outer, outer])
    data_set["WaveformSequence"].is_undefined_length = undefined
    return data_set


def well_formed(data, transfer_syntax):
    try:
        examine(data, transfer_syntax)
    except Rejected:
        return False
    return True


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("transfer_syntax", TRANSFER_SYNTAXES)
def test_the_uids_are_found_at_the_top_level_in_every_encoding(transfer_syntax, undefined):
    assert examine(encode(nested(undefined), transfer_syntax), transfer_syntax) == Identity(ECG, UID)


def test_a_real_object_with_sequences_of_undefined_length_is_walked_to_its_end():
    path = get_testdata_file("waveform_ecg.dcm")
    with open(path, "rb") as file:
        payload = file.read()
    data_set = dcmread(path)
    start = 132 + 12 + data_set.file_meta.FileMetaInformationGroupLength
    assert examine(payload, EXPLICIT_LITTLE, start) == (data_set.SOPClassUID, data_set.SOPInstanceUID)


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("transfer_syntax", TRANSFER_SYNTAXES)
def test_an_object_cut_anywhere_is_undecodable_or_lacks_what_was_cut(transfer_syntax, undefined):
    data = encode(nested(undefined), transfer_syntax)
    whole = sum(well_formed(data[:length], transfer_syntax) for length in range(len(data)))
    assert whole <= 16  # a cut between two top-level elements, or in a first byte that is zero, cannot be told


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\x00\x16\x00XX\x04\x001.2\0",
        b"\x08\x00\x16\x00UI\xff\x001.2\0",
        b"\xfe\xff\xdd\xe0\x00\x00\x00\x00",
        b"<html>not found</html>",
        b"\x08\x00\x05\x10SQ\x00\x00\xff\xff\xff\xff" * 65,
        b"\x08\x00\x05\x10SQ\x00\x00\xff\xff\xff\xff",
    ],
    ids=["unknown VR", "long value", "an end without a beginning", "no DICOM", "deep nesting", "no end"],
)
def test_what_is_not_well_formed_is_undecodable(data):
    with pytest.raises(Rejected) as caught:
        examine(data, EXPLICIT_LITTLE)
    assert caught.value.reason is Reason.UNDECODABLE


def test_an_unknown_sequence_of_undefined_length_is_implicit_inside():
    unknown = b"\x09\x00\x01\x10UN\x00\x00\xff\xff\xff\xff"
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + b"\x08\x00\x00\x01\x02\x00\x00\x00ab" + b"\xfe\xff\x0d\xe0\0\0\0\0"
    end = b"\xfe\xff\xdd\xe0\0\0\0\0"
    after = b"\x09\x00\x02\x10LO\x02\x00ab"
    assert examine(unknown + item + end + after, EXPLICIT_LITTLE) == Identity("", "")


def test_a_few_nulls_behind_the_data_set_do_no_harm():
    assert examine(encode(nested(False), EXPLICIT_LITTLE) + b"\0\0", EXPLICIT_LITTLE) == Identity(ECG, UID)


@pytest.mark.parametrize("transfer_syntax", TRANSFER_SYNTAXES)
def test_head_and_data_set_make_a_dicom_file(transfer_syntax):
    payload = part10_head(ECG, UID, transfer_syntax) + encode(nested(True), transfer_syntax)
    data_set = dcmread(io.BytesIO(payload))
    assert isinstance(data_set.file_meta, FileMetaDataset)
    assert data_set.file_meta.MediaStorageSOPClassUID == ECG
    assert data_set.file_meta.MediaStorageSOPInstanceUID == UID
    assert data_set.file_meta.TransferSyntaxUID == transfer_syntax
    assert data_set.WaveformSequence[1].ChannelSourceSequence[1].CodeValue == "5.6.3-9-1"


@pytest.mark.peer
@pytest.mark.parametrize("transfer_syntax", TRANSFER_SYNTAXES)
def test_dcmtk_reads_the_file_without_complaint(transfer_syntax, tmp_path):
    dcmdump = peers.require("dcmdump")
    path = tmp_path / "a.dcm"
    path.write_bytes(part10_head(ECG, UID, transfer_syntax) + encode(nested(True), transfer_syntax))
    run = subprocess.run([dcmdump, "+E", "-q", "+P", "0002,0003", path], capture_output=True, text=True, check=True)
    assert f"[{UID}]" in run.stdout
    assert run.stderr == ""


@pytest.mark.parametrize(
    ("uid", "valid"),
    [
        ("1.2.840.10008.1.1", True),
        ("2.25." + "9" * 39, True),
        ("1.2.0840.1", True),  # wrong by PS3.5 9.1, sent nevertheless
        ("1." + "2" * 62, True),
        ("1." + "2" * 63, False),
        ("", False),
        ("1", False),
        ("1..2", False),
        ("1.2.", False),
        (".1.2", False),
        ("1.2 3", False),
        ("1.2.3\n", False),
        ("1.2.x", False),
        ("１.2", False),
    ],
)
def test_uids_are_digits_and_dots(uid, valid):
    assert valid_uid(uid) is valid
