"""The adult head and upper neck."""

from phantoms.head.body import BODY as BODY
