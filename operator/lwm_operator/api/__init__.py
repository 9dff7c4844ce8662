"""What the resource is: models of spec and status, CEL rules beside the fields, names, the CRD generator."""
