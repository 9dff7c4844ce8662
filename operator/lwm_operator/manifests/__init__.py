"""The objects that the operator creates: manifests as plain dicts, made by pure functions of a training and an attempt."""
