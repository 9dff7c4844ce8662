"""What a model can do with long contexts. Suites make questions and score answers, and know nothing of models and devices.

Reading order: `suite` says what a suite is, `suites/needle.py` is one, `run_suite` asks and resumes, `results` counts, `heat_map` draws.
"""
