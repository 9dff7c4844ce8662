"""The command `lwm`: what a user asks of a machine of their own, without a cluster. Knows the operator and the trainer; nobody knows it."""
