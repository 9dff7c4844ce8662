"""The suites, one to a file: what is asked, what counts as right, and what a guess would score."""
