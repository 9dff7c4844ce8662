"""Arithmetic: FLOPs, memory and the seconds of a step."""
