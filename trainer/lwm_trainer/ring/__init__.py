"""Ring attention for sequences too long for one device (Liu et al. 2023, arXiv 2310.01889). Reading order:

1. `ranges`: which keys a query may see: one interval per shard, the only form of the mask.
2. `layout`: which rank of the ring holds which tokens of a row. `chunks` counts the attention work of an assignment, `chunk_assignment`
   searches one, and `work_accounting` is the exact account.
3. `schedule`: which queries see which keys at which hop, and the last hop of the ring; computed once per batch.
4. `attention`: the ring itself, forward and backward. `ulysses` exchanges tokens for heads around it, and `ring_ulysses_split` chooses how
   a sequence axis is divided between the two.
5. `cached_attention`: attention of new tokens to a cache that is divided over the ranks, for generation.
6. `kernels`: attention to one shard of keys, one module per backend.
"""
