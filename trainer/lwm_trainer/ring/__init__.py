"""Attention over a sequence that no device holds. Reading order:

1. `ranges`: which keys a query may see: one interval, the one mask form.
2. `layout`: which rank of the ring holds which tokens of a row (`chunks` counts, `dealing` finds; `work` is the exact account).
3. `schedule`: who sees what at which hop, and when the ring may end; made once per batch.
4. `attention`: the rotation, forward and backward. `ulysses` trades tokens for heads inside it, `split` chooses how much of that.
5. `inner`: attention to one shard, which the rotation asks of a backend.
"""
