"""One breast of an adult woman, with the chest wall behind it."""

from phantoms.breast.body import BODY as BODY
