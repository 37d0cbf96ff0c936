"""Implicit shapes: distances, blends, warps, noise, tubes and branching trees."""
