"""Arithmetic estimates of FLOPs, memory and step time; pure and without JAX."""
