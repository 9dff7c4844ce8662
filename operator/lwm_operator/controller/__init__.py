"""What wakes us: kopf's watches feed a keyed queue, workers reconcile one training at a time."""
