"""Examples in order, in memory or in a prepared token store."""
