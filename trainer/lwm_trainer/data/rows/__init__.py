"""Documents become rows and batches: selection, packing, mixture, loader."""
