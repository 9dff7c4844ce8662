"""The vision tokenizer: pictures and clips become codes, and codes become pictures.

Reading order: `vqgan_config` (sizes), `modules` (the parts, in Flax NNX), `quantiser` (latents to codes), `vqgan` (the whole network as
pure functions over nested dicts), `weights` (weights with config and fingerprint in one file; other projects' files), `tokenizer` (frames
in, codes out, and back).
"""
