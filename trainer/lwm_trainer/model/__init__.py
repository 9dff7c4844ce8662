"""The Llama model family. It does not know about parallelism: attention, sharding constraints and MLP tiling are passed as functions.

Reading order: `rope`, `remat` (what a layer saves for its backward pass), `modules` (the parts, in Flax NNX), `llama` (the whole model as
pure functions over nested dicts).
"""
