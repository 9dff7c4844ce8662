"""From a data set's files to the batches of a stage, in NumPy alone; every batch is a pure function of (seed, step).

Reading order, which is also the order in which one line of JSON becomes part of a batch:

1. `records`: files are cut into shards, and shards are read as records.
2. `encoding`: a record becomes an `Example`: token ids, and which of them count in the loss.
3. `documents`: the examples of a data set as one `DocumentSource`, in memory or memory-mapped from a prepared token store.
4. `rows`: documents are cut into segments, segments are packed into rows, and rows are dealt to steps.

Import from the modules directly: this package imports none of them.
"""
