"""Why pods do not run yet."""
