"""Local mode: an LWMTraining on this machine. Processes stand for pods behind the port to a cluster, a folder for the API server."""
