"""The parts of a lung nodule: body, solid core, spicules, pleural tag and calcium, as shapes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.form import turn_of
from medsynth.lesions.lung_nodule_options import LungNoduleSpec
from medsynth.lesions.placement import nearest_surface_point
from medsynth.lesions.star_body import Grains, StarBody, scattered_directions, star_body
from medsynth.lesions.volume import radius_for_volume, sphere_radius_mm, tube_points, tubes_near, volume_integral
from medsynth.scene.structure import Scene
from medsynth.shapes.base import Shape
from medsynth.shapes.blend import Intersection
from medsynth.shapes.tubes import Tubes

Array = NDArray[np.float64]

ROUGHNESS = {"solid": 0.03, "part_solid": 0.05, "ground_glass": 0.07}  # slow surface noise, of the radius
FRAYING = {"solid": 0.0, "part_solid": 0.03, "ground_glass": 0.04}  # fine surface noise; spiculation adds to it
SPICULATED_FRAYING = 0.045
SPICULES = (6, 44)  # fewest, and most on a large nodule of the strongest spiculation
SPICULE_BASE_MM, SPICULE_TIP_MM = (0.8, 1.5), 0.25  # radii
TAG_RADIUS_MM = 0.45
CLUTTERED_REACH = 1.9  # half width of the volume lattice in sphere radii where the host cuts nothing
CUT_REACH = 2.6  # where the pleura cuts the body


@dataclass(frozen=True, eq=False)
class NoduleParts:
    """The shapes of one nodule.

    Attributes
    ----------
    body : all of it but spicules and tag; not yet cut by the host.
    core : the solid part of a part-solid nodule.
    spicules, tag : thin tapering tubes.
    calcium : calcified flecks or balls; laminated shells are painted as layers of the body instead.
    """

    body: StarBody
    core: Shape | None
    spicules: Tubes | None
    tag: Tubes | None
    calcium: Shape | None


def volume_mm3(spec: LungNoduleSpec) -> float:
    """Return the volume asked for: that of the sphere of `diameter_mm`."""
    return float(np.pi / 6 * spec.diameter_mm**3)


def build_parts(spec: LungNoduleSpec, host: Shape, scene: Scene) -> NoduleParts:
    """Build the parts so that together, cut by the host, they have the volume asked for (see `volume_mm3`).

    Spicules count; the pleural tag does not, nor do vessels that run through ground glass.
    """
    seed, wanted = Seed(spec.shape_seed), volume_mm3(spec)
    sphere = sphere_radius_mm(wanted)
    reach = (CUT_REACH if spec.attachment in ("juxtapleural", "perifissural") else CLUTTERED_REACH) * sphere
    body = star_body(spec.centre_mm, sphere, spec.axes, turn_of(spec.quaternion), lobulation=spec.lobulation,
                     roughness=ROUGHNESS[spec.type], seed=seed.child("body"),
                     fraying=FRAYING[spec.type] + SPICULATED_FRAYING * spec.spiculation)
    body = body.with_radius(radius_for_volume(volume_integral(body, reach, host), wanted, reach))
    spicules = _spicules(spec, body, host, seed.child("spicules"))
    core = _core(spec, body, host, seed.child("core")) if spec.type == "part_solid" else None
    vessels = None if spec.type == "solid" else _vessels_within(scene, body, reach, core)
    if spicules is not None or vessels is not None:
        integral = volume_integral(body, reach, host, added=spicules, removed=vessels)
        body = body.with_radius(radius_for_volume(integral, wanted, reach))
    if core is not None:
        core = _core(spec, body, host, seed.child("core"))
    tag = _tag(body, host) if spec.attachment == "pleural_tag" else None
    return NoduleParts(body, core, spicules, tag, _calcium(spec, body, host, seed.child("calcium")))


def reach_mm(parts: NoduleParts, centre_mm: Vector) -> float:
    """Return the radius of the ball about `centre_mm` that holds the nodule without its tag."""
    rays = scattered_directions(400, 0.0, rng=Seed(0).rng())
    reach = float(parts.body.surface_mm(rays).max()) * 1.03
    if parts.spicules is not None:
        tips = np.linalg.norm(parts.spicules.ends_mm - np.asarray(centre_mm), axis=1) + parts.spicules.end_radii_mm
        reach = max(reach, float(tips.max()))
    return reach


def _vessels_within(scene: Scene, body: StarBody, reach: float, core: Shape | None) -> tuple[Array, Array]:
    centre = np.asarray(body.centre_mm)
    clouds = [tube_points(tubes_near(tubes, centre, reach)) for tubes in scene.vessels.values()]
    points = np.concatenate([cloud[0] for cloud in clouds] or [np.empty((0, 3))])
    weights = np.concatenate([cloud[1] for cloud in clouds] or [np.empty(0)])
    if core is not None and len(points):
        outside_core = np.asarray(core.distance_mm(points)) > 0
        points, weights = points[outside_core], weights[outside_core]
    return points, weights


def _core(spec: LungNoduleSpec, body: StarBody, host: Shape, seed: Seed) -> Shape:
    """Return the solid core: inside the body, `solid_share` of its volume."""
    wanted = spec.solid_share * volume_mm3(spec)
    sphere = sphere_radius_mm(wanted)
    room = max(0.0, 0.85 * body.radius_mm * min(spec.axes) - sphere)
    centre = np.asarray(body.centre_mm) + room * np.asarray(spec.core_offset)
    core = star_body(tuple(centre.tolist()), sphere, tuple(np.sqrt(spec.axes).tolist()), body.turn,
                     lobulation=0.7 * spec.lobulation, roughness=0.06, seed=seed)
    inside = Intersection(replace(body, radius_mm=0.96 * body.radius_mm), host)
    reach = CLUTTERED_REACH * sphere
    core = core.with_radius(radius_for_volume(volume_integral(core, reach, inside), wanted, reach))
    return Intersection(core, replace(body, radius_mm=0.96 * body.radius_mm))


def _spicules(spec: LungNoduleSpec, body: StarBody, host: Shape, seed: Seed) -> Tubes | None:
    """Return tapering, slightly bent spicules on the body's surface; those that would leave the host are cut."""
    if spec.spiculation <= 0 or spec.type == "ground_glass":
        return None
    rng = seed.rng()
    most = min(SPICULES[1], 4 + 4 * body.radius_mm)  # what the surface has room for
    count = round(SPICULES[0] + spec.spiculation * max(0.0, most - SPICULES[0]))
    directions = scattered_directions(count, 0.5, rng=rng)
    surface = body.surface_mm(directions)
    strength = 0.35 + 0.65 * spec.spiculation
    length = np.clip(body.radius_mm * rng.uniform(0.35, 0.9, count) * strength + 1.0, 1.5, 12.0)
    base = np.clip(rng.uniform(*SPICULE_BASE_MM, count), 0.35, max(0.35, 0.22 * body.radius_mm))
    bend = rng.standard_normal((count, 3)) * 0.18
    centre = np.asarray(body.centre_mm)
    root = centre + directions * (0.7 * surface)[:, None]
    neck = centre + directions * (surface + 0.35 * length)[:, None]
    tip = neck + (directions + bend) * (0.65 * length)[:, None]
    # A tip that reaches the host's surface is pulled back along the spicule; one with no room is left out.
    depth = np.stack([-np.asarray(host.distance_mm(p), float) for p in (root, neck, tip)])
    keep = (depth[0] > base) & (depth[1] > base)
    pulled = np.where(depth[2] < 0.4, np.clip((depth[1] - 0.4) / np.maximum(depth[1] - depth[2], 1e-6), 0, 1), 1.0)
    tip = neck + (tip - neck) * pulled[:, None]
    root, neck, tip, base = root[keep], neck[keep], tip[keep], base[keep]
    if not len(root):
        return None
    middle = 0.5 * base
    n = len(root)
    return Tubes(np.concatenate([root, neck]), np.concatenate([neck, tip]),
                 np.concatenate([base, np.maximum(middle, SPICULE_TIP_MM)]),
                 np.concatenate([np.maximum(middle, SPICULE_TIP_MM), np.full(n, SPICULE_TIP_MM)]),
                 np.concatenate([np.full(n, -1), np.arange(n)]))


def _tag(body: StarBody, host: Shape) -> Tubes | None:
    """Return the strand from the body to the nearest pleura, widening a little where it meets it."""
    centre = np.asarray(body.centre_mm)
    pleura = nearest_surface_point(host, centre)
    span = float(np.linalg.norm(pleura - centre))
    if span < 1e-6:
        return None
    direction = (pleura - centre) / span
    start = centre + direction * float(body.surface_mm(direction[None])[0]) * 0.9
    end = pleura - direction * TAG_RADIUS_MM
    if (end - start) @ direction < 1.0:
        return None
    knee = start + 0.8 * (end - start)
    radii = np.array([1.3, 0.9]) * TAG_RADIUS_MM
    return Tubes(np.stack([start, knee]), np.stack([knee, end]), radii, np.array([0.9, 1.6]) * TAG_RADIUS_MM,
                 np.array([-1, 0]))


def _calcium(spec: LungNoduleSpec, body: StarBody, host: Shape, seed: Seed) -> Shape | None:
    rng, radius, centre = seed.rng(), body.radius_mm, np.asarray(body.centre_mm)
    inner = Intersection(replace(body, radius_mm=0.88 * radius), host)
    if spec.calcification == "diffuse":
        return inner
    if spec.calcification == "central":
        ball = star_body(body.centre_mm, radius * float(rng.uniform(0.35, 0.5)), body.axes, body.turn, lobulation=0.2,
                         roughness=0.06, seed=seed)
        return Intersection(ball, inner)
    if spec.calcification == "popcorn":
        count = int(rng.integers(6, 11))
        places = scattered_directions(count, 0.4, rng=rng) * rng.uniform(0.25, 0.6, (count, 1))
        sizes = rng.uniform(0.14, 0.26, count)
    elif spec.calcification == "non_central":
        count = int(rng.integers(1, 4))
        lean = scattered_directions(1, 0.0, rng=rng)
        places = lean * 0.5 + rng.standard_normal((count, 3)) * 0.1
        sizes = rng.uniform(0.14, 0.25, count)
    else:
        return None
    # Places follow the body's own axes so that the grains stay inside a flat nodule.
    places = (places * np.asarray(body.axes)) @ np.asarray(body.turn).T
    return Intersection(Grains(centre + places * radius, sizes * radius), inner)
