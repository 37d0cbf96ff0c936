"""An adult hand: an example of a body in a distribution of its own."""

from hand_body.body import BODY as BODY
