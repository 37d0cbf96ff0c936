"""The adult thorax."""

from phantoms.torso.body import BODY as BODY
