"""What goes out: a finding as FHIR, who hears of it, and the senders that carry it."""
