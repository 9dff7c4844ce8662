"""How a program lies on many devices: the mesh, what lies where, and the processes that join it."""
