"""The training's curves in TensorBoard and other trackers, from the committed record."""
