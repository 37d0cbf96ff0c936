"""Who was imaged and when: an invented patient and study, drawn from a seed, with every UID."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from medsynth.core.errors import RecipeError, expected
from medsynth.core.seed import Seed
from medsynth.scene.subject import Sex, Subject

_FIRST_DAY, _DAYS = date(2015, 1, 1), 3652  # studies lie in the ten years from here
_FIRST_HOUR, _HOURS = 7, 12  # and in a working day


@dataclass(frozen=True, slots=True)
class StudyInfo:
    """The patient and study that all series of one case share.

    Attributes
    ----------
    seed : every UID is drawn below it, by name.
    patient_id : begins with `SYNTH`.
    age_years : whole years at `start`, in step with `birth_date`.
    start : when the study began; invented.
    region : what was examined, for the study's description; empty leaves it to each image's `BodyPartExamined`.
    """

    seed: Seed
    patient_id: str
    sex: Sex
    age_years: int
    birth_date: date
    height_cm: float
    weight_kg: float
    start: datetime
    study_id: str
    accession_number: str
    region: str = ""

    def __post_init__(self) -> None:
        if not self.patient_id.startswith("SYNTH") or len(self.patient_id) > 64:
            raise RecipeError(expected("patient_id", self.patient_id, "at most 64 characters that begin with SYNTH"))
        if not 0 <= self.age_years <= 150:
            raise RecipeError(expected("age_years", self.age_years, "in 0..150"))

    @property
    def study_uid(self) -> str:
        """Study Instance UID."""
        return dicom_uid(self.seed.child("study"))

    @property
    def frame_uid(self) -> str:
        """Frame of Reference UID: one body, one coordinate system, whatever the scanner."""
        return dicom_uid(self.seed.child("frame"))

    def series_uid(self, series: str) -> str:
        """Series Instance UID of the series called `series`."""
        return dicom_uid(self.seed.child("series", series))

    def instance_uid(self, series: str, number: int) -> str:
        """SOP Instance UID of instance 1, 2, ... of the series called `series`."""
        return dicom_uid(self.seed.child("series", series, "instance", number))

    def tracking_uid(self, series: str, number: int) -> str:
        """Tracking UID of lesion 1, 2, ...; the same in the segmentation and the report."""
        return dicom_uid(self.seed.child("series", series, "lesion", number))


def dicom_uid(seed: Seed) -> str:
    """Return a UID under the UUID arc 2.25, a pure function of the seed's value and path.

    Examples
    --------
    >>> dicom_uid(Seed(7).child("study")) == dicom_uid(Seed(7).child("study"))
    True
    """
    return f"2.25.{uuid.UUID(bytes=seed.digest()[:16], version=5).int}"


def study_info(subject: Subject, seed: Seed, region: str = "") -> StudyInfo:
    """Return the invented patient and study of one case; no clock and no name of a real person is involved."""
    rng = seed.child("dates").rng()
    day = _FIRST_DAY + timedelta(days=int(rng.integers(_DAYS)))
    start = datetime(day.year, day.month, day.day, _FIRST_HOUR) + timedelta(seconds=int(rng.integers(_HOURS * 3600)))
    age = int(subject.age_years)
    last_birthday = day - timedelta(days=int((subject.age_years - age) * 363))
    if (last_birthday.month, last_birthday.day) == (2, 29):
        last_birthday -= timedelta(days=1)
    digits = f"{seed.child('patient').integer(40):010X}"
    return StudyInfo(seed, f"SYNTH-{digits}", subject.sex, age, last_birthday.replace(year=last_birthday.year - age),
                     subject.height_cm, subject.weight_kg, start, f"S{digits[:8]}",
                     f"SYNTH{seed.child('accession').integer(33):010d}", region)
