"""What the hardware platforms ask of a pod, as tables with their sources. Pure data and functions."""
