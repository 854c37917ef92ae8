"""So many alerts a unit and day are borne; more, and operations are told. Never is one left out."""

from datetime import datetime

from delivery.alerting.actions import Call
from domain.alert import Book


def overdrawn(book: Book, budget: int | None, day: datetime) -> list[Call]:
    """One call a unit and day; ``day``: when it began."""
    if budget is None:
        return []
    newest = {one.raised.unit: one.id for one in book.alerts if one.raised_at >= day}
    over = sorted(unit for unit, count in book.raised_today.items() if count > budget and unit in newest)
    calls = (Call(alert=newest[unit], about=f"budget {unit}") for unit in over)
    return [one for one in calls if book.called.get(one.about, day) <= day]
