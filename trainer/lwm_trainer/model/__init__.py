"""The Llama family. It does not know about parallelism: attention and placement come in as functions.

Reading order: `rope`, `modules` (the parts, Flax NNX), `llama` (the whole, as pure functions over nested dicts).
"""
