"""Preparation: workers, one per pod, turn the records of a data set into a token store.

Read `worker` first: it is one worker, top to bottom. `location` names the store's folder by a hash of its recipe, `shard` writes one shard,
`store_metadata` writes the plan that all workers share and the index that joins the shards, and `preparation_report` is the progress that
worker 0 reports. Every file is written at once or not at all, and a worker that repeats a shard writes the same bytes, so a worker can be
killed at any time and continues with what is missing.
"""
