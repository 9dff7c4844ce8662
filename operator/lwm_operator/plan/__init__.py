"""What should happen: `plan(training, observed, now) -> Plan`. Pure: no I/O, clock, randomness, logging. One policy a file."""
