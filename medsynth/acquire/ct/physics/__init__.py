"""CT, physics tier: source, object, detector and reconstruction of a scanner, in the projection domain."""
