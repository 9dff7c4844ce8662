"""One attempt, from its Job to its end."""
