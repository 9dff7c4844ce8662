"""The documents of a data set, in memory or in a prepared token store."""
