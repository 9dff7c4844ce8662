"""Rows of fixed length packed from documents, and the batches made of them."""
