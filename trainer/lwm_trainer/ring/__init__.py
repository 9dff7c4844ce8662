"""Attention over a sequence that no device holds.

Reading order: `layout` (which rank holds which tokens), `ranges` (which keys a query may see), `blockwise` (one arriving shard),
`attention` (the rotation).
"""
