"""Where results go: pure, from a finding and the configuration to messages."""

from config.schema import Settings
from delivery.results import result
from domain.finding import Finding
from domain.outgoing import Outgoing


def messages(finding: Finding, settings: Settings, replaced: tuple[str, ...] = ()) -> tuple[Outgoing, ...]:
    """The transaction for each destination; ``replaced``: keys of the findings whose place it takes."""
    return tuple(result(finding, one, replaced) for one in settings.destinations)
