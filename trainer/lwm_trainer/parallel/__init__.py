"""Runs one program on many devices: the mesh, the shardings, and the rendezvous of the processes."""
