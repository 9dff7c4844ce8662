"""A preparation: workers, one a pod, turn the records of a data set into a token store.

Read `work.py` first: it is one worker, top to bottom. `place.py` says where the store lies, `plan.py` who does what, `shard.py` writes a
part, `index.py` joins the parts, `report.py` has what is told on the way. Whatever is killed goes on with what is not there yet; whoever
does a thing twice writes the same bytes again.
"""
