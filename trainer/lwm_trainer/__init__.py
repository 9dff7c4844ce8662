"""The staged ring-attention trainer: one process per host runs one attempt of one stage."""
