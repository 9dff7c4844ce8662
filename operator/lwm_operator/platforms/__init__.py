"""What the hardware platforms ask of a pod, as tables with their sources. Imports the standard library only."""
