"""How we talk to Kubernetes: read a snapshot, apply, delete, status, Events, the leader's Lease."""
