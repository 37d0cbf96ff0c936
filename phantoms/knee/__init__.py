"""The adult knee."""

from phantoms.knee.body import BODY as BODY
