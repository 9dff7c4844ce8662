"""What runs the reconciler: kopf's watches feed a queue of keys, and workers reconcile one training at a time."""
