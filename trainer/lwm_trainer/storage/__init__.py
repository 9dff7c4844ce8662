"""Files and objects by URI, on disk or in Google Cloud Storage. It knows no data formats."""
