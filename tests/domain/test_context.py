from datetime import date

import pytest

from domain.context import age_years


@pytest.mark.parametrize(
    ("born", "on", "years"),
    [
        (date(2000, 6, 1), date(2018, 5, 31), 17 + 364 / 365),
        (date(2000, 6, 1), date(2018, 6, 1), 18.0),
        (date(2000, 6, 1), date(2000, 6, 1), 0.0),
        (date(2000, 2, 29), date(2001, 2, 28), 365 / 366),
        (date(2000, 2, 29), date(2001, 3, 1), 1.0),
        (date(2000, 2, 29), date(2004, 2, 29), 4.0),
        (date(2000, 6, 1), date(1999, 1, 1), None),
        (None, date(1999, 1, 1), None),
    ],
)
def test_an_age_is_whole_on_birthdays_and_unknown_where_it_cannot_be(born, on, years):
    assert age_years(born, on) == (years if years is None else pytest.approx(years))
