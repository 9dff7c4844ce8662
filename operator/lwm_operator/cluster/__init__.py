"""How the operator talks to a cluster: the port, and Kubernetes behind it with snapshot, actions, status, Events and leader election."""
