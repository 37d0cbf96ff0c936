"""Dura, falx, tentorium and the venous sinuses they carry."""

from __future__ import annotations

import numpy as np

from medsynth.shapes.lattice import Field

# Height of the tentorium over its ridge (the straight sinus) and over the incisura's free edge, reference mm, by y:
# about 0 at the apex, falling at 40-45 degrees to the transverse sinus.
RIDGE_Y_MM = (-10.0, 5.0, 20.0, 34.0, 60.0, 88.0)
RIDGE_Z_MM = (-20.0, -14.0, -4.0, 6.0, -6.0, -20.0)
ATTACHED_Z_MM = -25.0


def petrous_y(x: Field) -> Field:
    """Return the reference y of the petrous ridge, which parts the middle from the posterior fossa, at |x|."""
    return 0.72 * (np.maximum(x, 10.0) - 12.0) + 3.0


def tentorium_z(x: Field, y: Field) -> Field:
    """Return the reference height of the tentorium at |x|, y."""
    ridge = np.interp(np.ravel(y), RIDGE_Y_MM, RIDGE_Z_MM).reshape(np.shape(y))
    lateral = np.clip(x / 52.0, 0, 1)
    return ATTACHED_Z_MM + (ridge - ATTACHED_Z_MM) * (1 - lateral**1.3) + 0 * x
