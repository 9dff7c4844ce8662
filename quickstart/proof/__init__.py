"""The proof: whether growing the context by stages pays, measured on a small model."""
