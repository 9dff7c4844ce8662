"""A real two-node Kubernetes on one Linux machine, for the quickstart, the benchmarks and the tests."""
