"""Units own their files: each may add to one list, and the whole is validated as one."""

from pathlib import Path

import pytest

from config.load import InvalidConfiguration, Mistake, files, load, placed

MAIN = """
include:
  - {files: "conf.d/*.yaml", units: [ED*, ICU]}
thresholds:
  overrides:
    - {name: children, when: {age: {below: 16}}, arrest: {high: 0.3}}
"""
ED = "thresholds: {overrides: [{name: ed, when: {unit: ED2}, arrest: {high: 0.25}, owner: Dr. A}]}"
ICU = "thresholds: {overrides: [{name: icu, when: {unit: icu}, potassium: {severe_high: 6.8}}]}"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/b-icu.yaml").write_text(ICU)
    (tmp_path / "conf.d/a-ed.yaml").write_text(ED)
    (tmp_path / "conf.d/readme.txt").write_text("not YAML: [")
    (tmp_path / "ecgd.yaml").write_text(MAIN)
    return tmp_path / "ecgd.yaml"


def test_what_files_add_comes_after_the_main_file_s_own_in_the_order_of_their_names(site: Path) -> None:
    assert [one.name for one in load(site).thresholds.overrides] == ["children", "ed", "icu"]


def test_a_list_that_the_main_file_leaves_out_is_made(site: Path) -> None:
    site.write_text("include: conf.d/*.yaml\nthresholds:\n  arrest: {high: 0.3}")
    found = load(site).thresholds
    assert ([one.name for one in found.overrides], found.arrest.high) == (["ed", "icu"], 0.3)
    site.write_text("include: conf.d/*.yaml")
    assert len(load(site).thresholds.overrides) == 2


def test_a_folder_without_files_adds_nothing_and_an_empty_file_neither(site: Path) -> None:
    for path in site.parent.glob("conf.d/*.yaml"):
        path.write_text("# nothing yet\n")
    assert len(load(site).thresholds.overrides) == 1
    for path in site.parent.glob("conf.d/*.yaml"):
        path.unlink()
    assert len(load(site).thresholds.overrides) == 1


def test_other_lists_may_be_held_by_others(site: Path) -> None:
    (site.parent / "carts.yaml").write_text("doors: {dicom: {peers: [{ae_title: CART1, addresses: [10.0.0.0/8]}]}}")
    site.write_text("include: [{files: carts.yaml, holds: doors.dicom.peers}]\ndoors: {dicom: {port: 104}}")
    dicom = load(site).doors.dicom
    assert dicom is not None
    assert (dicom.port, [peer.ae_title for peer in dicom.peers]) == (104, ["CART1"])


def test_what_is_to_be_watched_is_told_also_where_it_is_wrong(site: Path) -> None:
    (site.parent / "conf.d/a-ed.yaml").write_text("[")
    named = [path.name for path in files(site)]
    assert named == ["ecgd.yaml", "a-ed.yaml", "b-icu.yaml"]
    site.write_text("[")
    assert files(site) == (site,)


def test_a_mistake_found_later_is_placed_in_the_file_where_it_stands(site: Path) -> None:
    found = placed(site, [Mistake("thresholds.overrides[1].when", "a", "b"), Mistake("doors.hl7.port", "c")])
    assert [str(one) for one in found] == [
        "thresholds.overrides[1].when (conf.d/a-ed.yaml line 1): a; b",
        "doors.hl7.port: c",
    ]


def test_a_file_that_is_not_text_is_told_with_the_other_mistakes(site: Path) -> None:
    (site.parent / "conf.d/a-ed.yaml").write_bytes(b"\xff\xfe\x00")
    site.write_text(MAIN + "store: {lease_s: 0}")
    with pytest.raises(InvalidConfiguration) as caught:
        load(site)
    assert [str(one) for one in caught.value.mistakes] == [
        "conf.d/a-ed.yaml: cannot be read (UnicodeDecodeError)",
        "store.lease_s (line 7): too small; at least 1",
    ]
