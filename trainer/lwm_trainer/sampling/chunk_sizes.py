"""How many tokens of a prompt are taken at once."""

CHUNK = 2048
"""Tokens of a row that a prefill takes at once, unless the caller says otherwise."""
SHORT_CHUNK = 256
"""Tokens of a second program, for what is left of a prompt and is at most half a chunk: the rest of a chunk would be padding."""
