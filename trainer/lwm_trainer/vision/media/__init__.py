"""Pictures and clips as frames of one size."""
