"""The command `lwm`, for use without a cluster. It may import the operator and the trainer; neither imports it."""
