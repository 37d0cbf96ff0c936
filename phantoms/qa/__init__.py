"""Test objects with closed-form truth."""

from phantoms.qa.body import CTP404 as CTP404
from phantoms.qa.body import CTP528 as CTP528
from phantoms.qa.body import MITA as MITA
from phantoms.qa.body import MR as MR
from phantoms.qa.body import OBJECTS as OBJECTS
from phantoms.qa.body import ORIENTATION as ORIENTATION
from phantoms.qa.body import RESOLUTION as RESOLUTION
from phantoms.qa.body import SHEPP_LOGAN as SHEPP_LOGAN
from phantoms.qa.body import WATER as WATER
from phantoms.qa.truth import Truth as Truth
