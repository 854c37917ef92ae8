"""One outside format a file, read into one calibrated 12-lead ECG; the only place of the formats' libraries."""
