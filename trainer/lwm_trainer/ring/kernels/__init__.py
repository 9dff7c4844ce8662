"""Attention of local queries to one shard of keys, one module per backend. Reading order:

1. `protocol`: what the rotation asks for. `softmax`: what is carried from shard to shard.
2. `blockwise`: plain XLA, for every platform; `cover` says which blocks of keys a block of queries visits.
3. `splash`: TPUs; `visits` lists the blocks that its kernels go through.
4. `gpu`: Hopper's forward pass; `triton`: our own kernels, for every GPU and for every backward pass.
5. `choose`: which of them a device runs.
"""
