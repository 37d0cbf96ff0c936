"""The adult thorax."""

from phantoms.thorax.body import BODY as BODY
