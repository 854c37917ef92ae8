"""What may follow from what a model says; apart from the findings, which load numpy: the configuration needs it."""

from enum import StrEnum


class Mode(StrEnum):
    """What may follow from what a model says."""

    ALERT = "alert"  # it is reported, and where it is critical a person is alerted
    REPORT = "report"  # it is reported to the EHR, and alerts nobody
    SHADOW = "shadow"  # it is kept for comparison, and nobody is told
