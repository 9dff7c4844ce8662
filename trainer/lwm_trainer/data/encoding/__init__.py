"""Records become examples: token ids, and which of them count in the loss."""
