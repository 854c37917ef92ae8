from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Rejected
from domain.finding import Output
from inference.training.manifest import pairs, read_manifest

T = datetime(2025, 1, 1, tzinfo=UTC)


def written(path, *lines: str):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_usable_lines_keep_their_number_and_the_rest_say_why(tmp_path):
    manifest = written(
        tmp_path / "m.csv",
        "file,patient,time,potassium,potassium_time,rate_bpm",
        "a.hea,P1,2025-01-01T00:00:00Z,4.2,2025-01-01T00:30:00Z,70",
        "b.hea,,2025-01-01T00:00:00Z,4.2,,70",
        "c.hea,P2,2025-01-01T00:00:00,4.2,,70",
        "d.hea,P2,2025-01-01T00:00:00Z,hemolysed,,70",
        "e.hea,P2,2025-01-01T00:00:00Z,42,,70",
        "f.hea,P2,2025-01-01T00:00:00Z,,,70",
        "a.hea,P1,2025-01-01T00:00:00Z,4.4,,70",
        "g.hea,P3,,3.1,,70",
        "h\0.hea,P3,,3.1,,70",
        "i.hea,P3,0001-01-01T00:00:00+14:00,3.1,,70",
    )
    lines, unusable = read_manifest(manifest, Output.POTASSIUM)
    assert [(line.number, line.file, line.truth) for line in lines] == [(2, "a.hea", 4.2), (9, "g.hea", 3.1)]
    assert lines[0].truth_time == T + timedelta(minutes=30)
    assert {entry.number: entry.reason for entry in unusable} == {
        3: "no patient",
        4: "time has no time zone",
        5: "potassium is not a number",
        6: "potassium is not between 0.5 and 15 mmol/L",
        7: "no potassium",
        8: "the same ECG as on an earlier line",
        10: "file is no name",
        11: "time is out of range",
    }


def test_no_reason_holds_what_stands_in_the_line(tmp_path):
    manifest = written(tmp_path / "m.csv", "file,patient,time,label", "x.hea,Ruth,yesterday,1", "y.hea,Ruth,,maybe")
    _, unusable = read_manifest(manifest, Output.ARREST)
    assert len(unusable) == 2
    assert not any(word in entry.reason for entry in unusable for word in ("Ruth", "yesterday", "maybe"))


def test_two_ecgs_of_one_file_are_two_cases(tmp_path):
    manifest = written(tmp_path / "m.csv", "file,patient,part,label", "x.pdf,P,1,0", "x.pdf,P,2,1")
    lines, unusable = read_manifest(manifest, Output.ARREST)
    assert [(line.part, line.truth) for line in lines] == [(1, 0), (2, 1)]
    assert not unusable


def test_a_manifest_without_its_columns_is_refused_whole(tmp_path):
    with pytest.raises(Rejected, match="label, patient"):
        read_manifest(written(tmp_path / "m.csv", "file,potassium", "x,4"), Output.ARREST)


@pytest.mark.parametrize(
    ("minutes", "paired"), [(0, True), (60, True), (-60, True), (61, False), (-61, False)], ids=str
)
def test_potassium_within_an_hour_before_or_after_is_a_pair(minutes, paired):
    assert (pairs(T, T + timedelta(minutes=minutes), 1.0) == "") is paired


def test_who_wrote_no_potassium_time_has_paired_them():
    assert pairs(None, None, 1.0) == ""
    assert pairs(None, T, 1.0) == "the time of the ECG is not known"
