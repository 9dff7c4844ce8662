"""Records encoded as examples: token ids with a loss mask and a vision mask."""
