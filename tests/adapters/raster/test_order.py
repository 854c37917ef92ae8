"""The order a page's names stand in is one in which all of them stand."""

import pytest

from adapters.raster.order import Order, Written, orders_of
from domain.ecg import LEADS

PX_MM = 8.0
CABRERA = ("aVL", "I", "aVR", "II", "aVF", "III", "V1", "V2", "V3", "V4", "V5", "V6")


def standing(rows: int, names: tuple[str, ...] = LEADS) -> list[Written]:
    """Names 60 mm apart across and 30 mm down, column by column."""
    places = [(20 + 60 * (number // rows), 40 + 30 * (number % rows)) for number in range(len(names))]
    return [Written(LEADS.index(name), x * PX_MM, y * PX_MM) for name, (x, y) in zip(names, places, strict=True)]


def only(names: list[Written]) -> Order:
    (order,) = orders_of(names, PX_MM)
    return order


def without(names: list[Written], *gone: str) -> list[Written]:
    return [name for name in names if LEADS[name.name] not in gone]


@pytest.mark.parametrize(
    ("rows", "gone"), [(3, ("V4", "V5", "V6")), (4, ("I", "V6")), (6, ("V1", "V2", "V3")), (12, ("aVL", "V3"))]
)
def test_places_of_names_that_are_gone_follow_from_the_others(rows: int, gone: tuple[str, ...]) -> None:
    order = only(without(standing(rows), *gone))
    assert order.rows == rows
    for name in gone:
        number = LEADS.index(name)
        x, y = order.place(number)
        whole = standing(rows)[number]
        assert (x, y) == pytest.approx((whole.x, whole.y), abs=0.1)


def test_some_rows_of_a_page_tell_the_order_too() -> None:
    half = orders_of([name for name in standing(6) if name.name % 6 < 3], PX_MM)
    assert [order.rows for order in half] == [3, 6]  # V1 may also be the third of four columns


def test_names_of_strips_are_set_aside() -> None:
    strips = [Written(LEADS.index(name), 20 * PX_MM, (130 + 30 * row) * PX_MM) for row, name in enumerate(("II", "V1"))]
    order = only([*without(standing(3), "V1"), *strips])
    assert order.rows == 3
    assert order.strips()[0] == pytest.approx((strips[0].x, strips[0].y))


def test_another_order_is_none() -> None:
    by_row = tuple(LEADS[4 * row + column] for column in range(4) for row in range(3))
    assert orders_of(standing(6, CABRERA), PX_MM) == orders_of(standing(3, by_row), PX_MM) == ()


def test_one_name_out_of_place_leaves_no_order() -> None:
    names = standing(3)
    names[4] = Written(names[4].name, names[4].x + 1.5 * PX_MM, names[4].y + 2 * PX_MM)
    assert not orders_of(names, PX_MM)


def test_few_names_or_one_column_of_several_leave_no_order() -> None:
    assert not orders_of(standing(3)[:3], PX_MM)
    assert not orders_of(standing(3)[:2] + standing(3)[3:4], PX_MM)
    assert not orders_of([], PX_MM)
