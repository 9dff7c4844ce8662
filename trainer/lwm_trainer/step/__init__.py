"""One training step: loss, gradients, optimizer, and the batch that goes in."""
