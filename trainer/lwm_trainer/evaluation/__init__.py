"""What a model can do with long contexts. Suites ask a function for answers, and know nothing of devices.

`needles` makes the text, `needle_suite` asks and resumes, `binomial` says how sure a share is, `needle_map` draws it.
"""
