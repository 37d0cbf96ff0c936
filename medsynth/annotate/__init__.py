"""Annotations: what is true of a case, measured from its truth."""
