"""The closed list of reasons.

A reason is a metric's label, a log's field and a line in docs/runbook.md; it never carries a patient's data.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why something was refused, set aside, not scored, or not delivered."""

    # not read: the arrival is quarantined (or refused at the door)
    UNKNOWN_FORMAT = "unknown_format"
    UNDECODABLE = "undecodable"
    UNSUPPORTED_OBJECT = "unsupported_object"
    MISSING_FIELD = "missing_field"
    BAD_VALUE = "bad_value"
    UNKNOWN_CHARSET = "unknown_charset"
    UNKNOWN_LEAD = "unknown_lead"
    UNKNOWN_UNIT = "unknown_unit"
    UNKNOWN_RATE = "unknown_rate"
    NO_WAVEFORM = "no_waveform"
    PAGE_NOT_UNDERSTOOD = "page_not_understood"
    PAGE_NOT_CALIBRATED = "page_not_calibrated"
    TOO_LARGE = "too_large"
    REFERENCE_NOT_ALLOWED = "reference_not_allowed"
    READER_TIMEOUT = "reader_timeout"
    READER_MEMORY = "reader_memory"
    READER_CRASHED = "reader_crashed"
    SAME_KEY_OTHER_CONTENT = "same_key_other_content"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    OUR_FAULT = "our_fault"
    ALERT_UNKNOWN = "alert_unknown"
    # read, and no ECG in it, or none that is new: the arrival is ignored
    NO_ECG = "no_ecg"
    SAME_ECG = "same_ecg"
    MEASUREMENTS_ONLY = "measurements_only"
    ADMINISTRATIVE = "administrative"
    WITHDRAWN = "withdrawn"
    RETRACTED = "retracted"
    ALERT_ACKNOWLEDGED = "alert_acknowledged"
    ALERT_NOT_ACKNOWLEDGED = "alert_not_acknowledged"
    # read, and not fit to score: the models abstain
    LEAD_MISSING = "lead_missing"
    LEAD_FLAT = "lead_flat"
    SATURATED = "saturated"
    TOO_SHORT = "too_short"
    EINTHOVEN = "einthoven"
    IMPLAUSIBLE_AMPLITUDE = "implausible_amplitude"
    MEDIAN_ONLY = "median_only"
    NOISE = "noise"
    LEADS_EXCHANGED = "leads_exchanged"
    SCALED_PER_LEAD = "scaled_per_lead"
    SCANNED = "scanned"
    CALIBRATION_PULSE = "calibration_pulse"
    MODEL_OUTPUT_INVALID = "model_output_invalid"
    # a shadow model did not answer: nobody is told either way
    SHADOW_LATE = "shadow_late"
    SHADOW_CRASHED = "shadow_crashed"
    # not delivered: the message is buried
    DESTINATION_REFUSED = "destination_refused"
    DESTINATION_FORBIDDEN = "destination_forbidden"
    DESTINATION_MISCONFIGURED = "destination_misconfigured"
    PATIENT_UNKNOWN = "patient_unknown"
    AMBIGUOUS_MATCH = "ambiguous_match"
    EXPIRED = "expired"
    REFERENCE_MISSING = "reference_missing"
    NO_SUCH_CHANNEL = "no_such_channel"
    # passing: tried again
    STORE_UNAVAILABLE = "store_unavailable"
    DISK_LOW = "disk_low"
    QUEUE_FULL = "queue_full"
    DESTINATION_UNAVAILABLE = "destination_unavailable"
    UNAUTHORISED = "unauthorised"
    CONFLICT = "conflict"
    # ours: the worker stops and tells a person
    BUNDLE_UNUSABLE = "bundle_unusable"
    BACKEND_UNUSABLE = "backend_unusable"
