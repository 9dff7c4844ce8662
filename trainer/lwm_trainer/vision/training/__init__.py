"""Training of a vision tokenizer on pictures and clips, on one device.

Reading order: `recipe` (settings), `crops` (batches), `losses`, `training_step`, `training_state` (checkpoints), `train`.
"""
