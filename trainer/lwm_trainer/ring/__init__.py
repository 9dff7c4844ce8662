"""Attention over a sequence that no device holds.

Reading order: `layout` (which rank holds which tokens, by what `chunks` counts and `dealing` finds), `ranges` (which keys a query may see), `schedule` (at which hop, and when the
ring ends), `attention` (the rotation), `ulysses` (tokens traded for heads inside it), `inner` (what it asks of a backend), `softmax` (what
is carried), `blockwise` (the backend for every platform).
"""
