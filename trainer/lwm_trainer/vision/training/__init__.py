"""Training of a vision tokenizer on pictures and clips, on all devices of one host.

Reading order: `recipe` (settings), `crops` (batches), `losses`, `training_step`, `training_state` (checkpoints), `train`.
"""
