"""The Llama family. It does not know about parallelism: attention, placement and the MLP's tiles come in as functions.

Reading order: `rope`, `remat` (what a layer keeps), `modules` (the parts, Flax NNX), `llama` (the whole, as pure functions over nested
dicts).
"""
