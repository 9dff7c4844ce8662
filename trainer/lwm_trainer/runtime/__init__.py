"""The process around the training: how it starts, reports, hears SIGTERM, hangs, fails and exits."""
