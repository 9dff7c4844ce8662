"""What users read: conditions, Events, printer columns."""
