"""Results of `lwm fit` as text and pictures."""
