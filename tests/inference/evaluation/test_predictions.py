from pathlib import Path

import numpy as np
import pytest

from inference.evaluation import predictions
from inference.evaluation.sheet import Unusable


def _file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "p.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "truth,score\n1,0.5\n0,0.25\n",
        "truth,score\r\n1,0.5\r\n0,0.25\r\n",
        "\ufefftruth,score\n1,0.5\n0,0.25\n",
        "truth;score\n1;0,5\n0;0,25\n",
        "truth;score\n1;0.5\n0;0.25",
        "truth\tscore\n1\t0.5\n0\t0.25\n",
        ' Score , TRUTH \n0.5,1\n\n"0.25",0\n,\n',
    ],
    ids=["plain", "crlf", "bom", "semicolon", "semicolon, point", "tab", "spaces, order, blank lines"],
)
def test_a_csv_is_read_however_a_spreadsheet_wrote_it(tmp_path, content):
    if content.endswith(",\n"):
        content = content.removesuffix(",\n")
    found = predictions.read(_file(tmp_path, content))
    assert (found.truth.tolist(), found.score.tolist()) == ([1, 0], [0.5, 0.25])
    assert (found.binary, found.by_patient, found.patients) == (True, False, 2)


def test_every_mistake_is_said_at_once_by_line(tmp_path):
    content = "truth,score,patient\n1,high,a\n0,nan,b\n,0.2,c\n1,inf,d\n0,0.1,\n1,0.1\n0,0.3,e\n"
    with pytest.raises(Unusable) as error:
        predictions.read(_file(tmp_path, content))
    assert error.value.mistakes == (
        "line 2, score: not a number; write it with a decimal point",
        "line 3, score: not finite; take the line out, or score the ECG again",
        "line 4, truth: empty; write a number or take the line out",
        "line 5, score: not finite; take the line out, or score the ECG again",
        "line 6, patient: empty; name the patient or leave the column out",
        "line 7, 2 cell(s) under 3 columns; fill the line, or quote its text",
    )


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        ("", "line 1: no header with the columns truth, score; write them as the first line"),
        ("truth,probability\n1,0.5\n", "line 1: no header with the columns truth, score; write them as the first line"),
        ("truth,score,score\n1,0.5,1\n", "line 1: two columns have the same name; rename one"),
        ("truth,score\n", "0 row(s); at least two are needed"),
        ("truth,score\n1,0.5\n", "1 row(s); at least two are needed"),
        ("truth,score\n1,0.5\n1,0.7\n", "truth: 1 on every line; both 0 and 1 are needed"),
        ("truth,score\n0,0.5\n1,0.7\n2,0.7\n", "line 4, truth: neither 0 nor 1, as most lines have it"),
        ("truth,score\n4.1,4\n41,4\n5,4\n", "line 3, truth: neither 0/1 nor potassium in mmol/L (0.5 to 15)"),
        (
            "truth,score\n1,0.5\n2,0.7\n2,0.7\n1,0.7\n2,1",
            "truth: two whole numbers only; write 0 and 1 for classes, or potassium in mmol/L",
        ),
        (b"truth,score\n1,\xff\n", "not UTF-8; save it as CSV UTF-8"),
        ("truth,score\n1,0.5\n".encode("utf-16"), "not UTF-8; save it as CSV UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, content, mistake):
    with pytest.raises(Unusable) as error:
        predictions.read(_file(tmp_path, content))
    assert error.value.mistakes == (mistake,)


def test_a_thousand_mistakes_are_not_a_thousand_lines(tmp_path):
    with pytest.raises(Unusable) as error:
        predictions.read(_file(tmp_path, "truth,score\n" + "1,x\n" * 1000))
    assert len(error.value.mistakes) == 51
    assert error.value.mistakes[-1] == "and 950 more like these"


def test_what_stands_in_a_wrong_cell_is_not_repeated(tmp_path):
    with pytest.raises(Unusable) as error:
        predictions.read(_file(tmp_path, "truth,score\nMiller^Anna,0.5\n"))
    assert "Miller" not in str(error.value)


def test_a_file_that_is_not_there_is_said_to_be_unreadable(tmp_path):
    with pytest.raises(Unusable, match="cannot be read"):
        predictions.read(tmp_path / "none.csv")


def test_potassium_is_told_by_its_values_and_duplicate_rows_count_each(tmp_path):
    found = predictions.read(_file(tmp_path, "truth,score,patient,sex\n4.1,4.2,a,male\n4.1,4.2,a,male\n6,5,b,female\n"))
    assert not found.binary
    assert (len(found.truth), found.patients, found.by_patient) == (3, 2, True)
    assert found.columns["sex"] == ("male", "male", "female")
    assert "patient" in found.columns


def test_rows_taken_out_keep_their_patients_and_columns(tmp_path):
    found = predictions.read(_file(tmp_path, "truth,score,patient,sex\n0,0.1,c,m\n1,0.2,a,f\n1,0.3,a,f\n0,0.4,b,m\n"))
    part = found.take(np.array([1, 2, 3]))
    assert (part.patients, part.patient[0] == part.patient[1]) == (2, True)
    assert part.columns["sex"] == ("f", "f", "m")
