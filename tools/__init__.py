"""Tools of this repository that are in no image."""
