"""Compiles the real train step for devices that are not there, and reads the compiled program."""
