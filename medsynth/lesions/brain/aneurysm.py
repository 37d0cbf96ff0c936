"""Saccular aneurysm: a dome on the bifurcation of a cerebral artery, with a neck and, now and then, a daughter sac."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.brain.cranium import CISTERNS, PARENCHYMA, present
from medsynth.lesions.distributions import Distribution, Options, Quantiles, Trait, Uniform, choose
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import turn_to
from medsynth.lesions.host import labels_of, point
from medsynth.lesions.matter import lesion_part
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.lesions.star_body import star_body
from medsynth.scene.structure import Code, Layer, Lesion, Measured, Paint, Scene
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import Union
from medsynth.shapes.primitives import Capsule
from medsynth.shapes.tubes import Tubes

ANEURYSM = Code("432119003", "Aneurysm")

Artery = Literal["MCA", "ICA", "ACoA", "ACA", "basilar"]
# UCAS Japan 2012 doi:10.1056/NEJMoa1113260: MCA 36 %, ICA 34 %; the rest is shared out (unverified).
ARTERIES: dict[Artery, float] = {"MCA": 0.36, "ICA": 0.34, "ACoA": 0.15, "ACA": 0.07, "basilar": 0.08}
TUBES: dict[Artery, tuple[str, ...]] = {
    "MCA": ("middle_cerebral_artery_left", "middle_cerebral_artery_right"),
    "ICA": ("internal_carotid_artery_left", "internal_carotid_artery_right"),
    "ACoA": ("anterior_communicating_artery",),
    "ACA": ("anterior_cerebral_artery_left", "anterior_cerebral_artery_right"),
    "basilar": ("basilar_artery",)}
# UCAS: 24.8 % are of 3 mm, 22.0 % of 4 mm, mean 5.7 +- 3.6 mm; in between unverified.
SIZE_MM = Quantiles(at=(0.0, 0.248, 0.468, 0.65, 0.8, 0.92, 1.0), values=(2.5, 3.5, 4.5, 5.6, 7.4, 10.5, 21.0))
LARGE_MM = 0.7  # radius of an artery from which on it bears aneurysms (unverified)
SUNK = 0.88  # the dome's middle lies so many of its radii beyond the artery's wall: the neck joins them
SITES = 60  # forks and directions tried


class AneurysmOptions(Options):
    """Aneurysms of one recipe entry.

    Attributes
    ----------
    count : how many.
    diameter_mm : of the dome.
    dome_over_neck : width of the dome over that of the neck.
    daughter : a second, smaller sac on the dome; its strength is the size, 0..1.
    arteries : weights.
    """

    count: Distribution = Field(default=1, validate_default=True)
    diameter_mm: Distribution = SIZE_MM
    dome_over_neck: Distribution = Uniform(low=1.2, high=2.0)
    daughter: Trait = Trait(probability=0.2, low=0.3, high=0.6)
    arteries: dict[Artery, float] = Field(default=ARTERIES)


class AneurysmSpec(Options):
    """One aneurysm in plain numbers."""

    kind: Literal["intracranial_aneurysm"] = "intracranial_aneurysm"
    diameter_mm: float = Field(gt=0, le=40)
    neck_mm: float = Field(gt=0)
    centre_mm: Vector
    reach_mm: float
    host: str
    artery: Artery
    root_mm: Vector
    daughter: float = Field(ge=0, le=1)
    shape_seed: int = Field(ge=0)


def sample_specs(options: AneurysmOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the aneurysms of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: AneurysmOptions, scene: Scene, taken: Sequence[Ball], *, rng: np.random.Generator
                ) -> AneurysmSpec:
    diameter, ratio = float(options.diameter_mm.sample(rng=rng)), float(options.dome_over_neck.sample(rng=rng))
    artery: Artery = choose(dict(options.arteries), rng=rng)
    daughter, seed = options.daughter.sample(rng=rng), int(rng.integers(2**53))
    names = [name for name in TUBES[artery] if name in scene.vessels]
    roots = [(name, *found) for name in names for found in _roots(scene, name)]
    for n in rng.integers(len(roots), size=SITES):
        name, root, ahead, radius = roots[int(n)]
        tilt = ahead + 0.45 * rng.standard_normal(3)
        tilt /= np.linalg.norm(tilt)
        centre = root + (0.6 * radius + SUNK * diameter / 2) * tilt
        reach = 0.5 * diameter * (1.1 + daughter)
        inside = float(scene.fields["cranial_cavity"].distance_mm(centre[None])[0]) < -0.45 * diameter
        if inside and keeps_apart(centre, reach, taken):
            return AneurysmSpec(diameter_mm=round(diameter, 3), neck_mm=round(diameter / ratio, 3), artery=artery,
                                centre_mm=point(centre), reach_mm=round(reach, 3), host=name, root_mm=point(root),
                                daughter=daughter, shape_seed=seed)
    raise PlacementError(f"lesions.intracranial_aneurysm found no place for one of diameter_mm {diameter:.1f} on "
                         f"{artery}")


def _roots(scene: Scene, name: str) -> list[tuple[NDArray[np.float64], NDArray[np.float64], float]]:
    """Return the forks of an artery; those of the carotid are where the brain's arteries leave it."""
    if not name.startswith("internal_carotid"):
        return bifurcations(scene.vessels[name], scene)
    side = name.rsplit("_", 1)[1]
    outwards = 1.0 if side == "left" else -1.0
    top = scene.vessels[f"middle_cerebral_artery_{side}"]
    end, radius = top.starts_mm[0], float(top.start_radii_mm[0])
    found = [(end, _unit(0.0, -0.2, 1.0), radius)]
    branch = scene.vessels.get(f"posterior_communicating_artery_{side}")
    if branch is not None and len(branch.parents):
        ends = np.concatenate([branch.starts_mm, branch.ends_mm])
        found.append((ends[np.argmin(np.linalg.norm(ends - end, axis=1))], _unit(0.5 * outwards, 0.8, -0.2), radius))
    return found


def _unit(x: float, y: float, z: float) -> NDArray[np.float64]:
    """Return the direction in which domes on the carotid point: upwards at its end, back at its branch (unverified)."""
    return np.array([x, y, z]) / np.sqrt(x * x + y * y + z * z)


def bifurcations(tubes: Tubes, scene: Scene) -> list[tuple[NDArray[np.float64], NDArray[np.float64], float]]:
    """Return where a large enough artery forks or ends within the skull: point, direction of flow, radius.

    Where it never forks, its ends count: other arteries begin there.
    """
    children = np.bincount(tubes.parents[tubes.parents >= 0], minlength=len(tubes.parents))
    within = np.asarray(scene.fields["cranial_cavity"].distance_mm(tubes.ends_mm)) < -3.0
    large = tubes.end_radii_mm >= LARGE_MM
    at = np.flatnonzero((children >= 2) & within & large)
    if not at.size:
        at = np.flatnonzero((children == 0) & within & large)
    if not at.size:
        at = np.flatnonzero(within)[-1:]
    flow = tubes.ends_mm - tubes.starts_mm
    flow = flow / np.maximum(np.linalg.norm(flow, axis=1, keepdims=True), 1e-6)
    return [(tubes.ends_mm[n], flow[n], float(tubes.end_radii_mm[n])) for n in at]


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build aneurysm `number` from its spec alone."""
    one = checked_spec(AneurysmSpec, spec, number)
    artery = scene.structure(one.host)
    sac = lesion_part(number, "blood", artery.tissue, ANEURYSM, whole=True, enhancement=artery.enhancement,
                      laterality=artery.laterality)
    # The dome takes the place of fluid and brain; the artery itself stays the artery.
    over = labels_of(scene, *present(scene, *CISTERNS, *PARENCHYMA, "optic_chiasm", "tentorium", "dura"))

    def classify(measured: Measured) -> Mapping[str, Any]:
        size = measured.max_diameter_mm
        return {"size_class": "small" if size < 5 else "medium" if size < 10 else "large" if size < 25 else "giant"}

    return Lesion(number, one.kind, ANEURYSM, (sac,), (Paint(_shape(one), (Layer(sac.label),), over, lattice_mm=0.25),),
                  one.host, {"type": "saccular", "artery": one.artery, "side": artery.laterality or "midline",
                             "neck_mm": one.neck_mm, "dome_over_neck": round(one.diameter_mm / one.neck_mm, 2),
                             "daughter_sac": one.daughter > 0}, one.model_dump(mode="json"), classify=classify)


def _shape(one: AneurysmSpec) -> Shape:
    seed, root, centre = Seed(one.shape_seed), np.asarray(one.root_mm), np.asarray(one.centre_mm)
    axis = (centre - root) / np.linalg.norm(centre - root)
    dome = star_body(one.centre_mm, one.diameter_mm / 2, (1.0, 1.0, 1.0), turn_to(point(axis)), lobulation=0.12,
                     roughness=0.03, seed=seed.child("dome"))
    shape: Shape = Union(dome, Capsule(one.root_mm, one.centre_mm, one.neck_mm / 2, one.neck_mm / 2), 0.3)
    if one.daughter > 0:
        rng = seed.child("daughter").rng()
        away = axis + 0.6 * rng.standard_normal(3)
        away /= np.linalg.norm(away)
        small = 0.5 * one.daughter * one.diameter_mm
        at = centre + (0.45 * one.diameter_mm + 0.3 * small) * away
        shape = Union(shape, star_body(point(at), small, (1.0, 1.0, 1.0), turn_to(point(away)), lobulation=0.0,
                                       roughness=0.03, seed=seed.child("sac")), 0.3)
    return shape


FAMILY = Family("intracranial_aneurysm", "Saccular aneurysm on a bifurcation of a cerebral artery", AneurysmOptions,
                sample_specs, insert, ("head",))
