"""Files of a data set, cut into shards and read as records."""
