"""`lwm eval`: suites that measure what a model does with long contexts."""
