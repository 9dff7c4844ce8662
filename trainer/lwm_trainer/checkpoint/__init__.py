"""Checkpoints: written, restored, checked, pruned, and the lineage of attempts."""
