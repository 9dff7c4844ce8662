"""Attention of local queries to one shard of keys, one module per backend. Reading order:

1. `protocol`: what the ring asks of a backend. `softmax`: the online softmax that is carried from shard to shard.
2. `blockwise`: plain XLA, for every platform. `block_ranges` says which blocks of keys a block of queries needs.
3. `splash`: TPUs. `block_schedule` lists the blocks that its kernels compute.
4. `gpu`: the forward pass on Hopper GPUs. `triton`: kernels for every GPU, and for every backward pass on GPUs.
5. `choose`: which backend a device runs.
"""
