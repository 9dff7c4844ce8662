"""What follows a failure: classes, budgets, back-off, nodes to avoid, rollback."""
