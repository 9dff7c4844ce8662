"""What we create: plain dicts, made by pure functions from a training and an attempt."""
