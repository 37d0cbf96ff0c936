"""The adult trunk: thorax, abdomen, pelvis, torso."""

from phantoms.torso.body import ABDOMEN as ABDOMEN
from phantoms.torso.body import BODY as BODY
from phantoms.torso.body import PELVIS as PELVIS
from phantoms.torso.body import TORSO as TORSO
