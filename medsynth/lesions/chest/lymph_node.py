"""Enlarged lymph nodes of mediastinum and hila, by station and short axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np
from pydantic import Field

from medsynth.core.errors import PlacementError
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Poisson, Trait, Uniform
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import blob, random_quaternion, turn_of
from medsynth.lesions.host import host, labels_of, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import Ball, keeps_apart, one_by_one
from medsynth.scene.structure import Code, Layer, Lesion, Measured, Paint, Scene, Texture

LYMPHADENOPATHY = Code("30746006", "Lymphadenopathy")

SITES = 1500
DEEP = 0.35  # more room than so many short axes is no better
ROOM = ("mediastinal_fat", "mediastinal_lymph_nodes", "thymus", "lobe_*", "pleural_line", "pericardial_fat")
# Stations of the IASLC map by what lies near, from LPS offsets of the carina in mm (unverified borders).
STATIONS: tuple[tuple[str, Vector, float], ...] = (
    ("4R", (-16.0, -6.0, 18.0), 16.0), ("4L", (16.0, 2.0, 12.0), 13.0), ("7", (2.0, 2.0, -22.0), 15.0),
    ("2R", (-14.0, -4.0, 48.0), 14.0), ("3A", (2.0, -44.0, 20.0), 16.0), ("5", (28.0, -12.0, 6.0), 14.0),
    ("10R", (-34.0, -2.0, -18.0), 16.0), ("10L", (38.0, 4.0, -18.0), 16.0), ("8", (4.0, 18.0, -60.0), 16.0))


class LymphNodeOptions(Options):
    """Enlarged lymph nodes of one recipe entry.

    Attributes
    ----------
    count : how many.
    short_axis_mm : in the axial plane, as RECIST 1.1 measures nodes.
    elongation : long over short axis.
    necrosis : probability of a dead middle, and its share of the radius.
    node_hu : mean CT number at 120 kVp without contrast.
    """

    count: Distribution = Poisson(mean=3, low=1, high=8)
    short_axis_mm: Distribution = LogNormal(median=14, sigma=0.3, low=8, high=40)  # unverified
    elongation: Distribution = Uniform(low=1.0, high=1.7)
    necrosis: Trait = Trait(probability=0.15, low=0.4, high=0.7)
    node_hu: Distribution = Uniform(low=30, high=50)  # reference tables


class LymphNodeSpec(Options):
    """One node in plain numbers: they and the scene rebuild it exactly."""

    kind: Literal["thoracic_lymph_node"] = "thoracic_lymph_node"
    station: str
    centre_mm: Vector
    reach_mm: float = Field(ge=0)
    short_axis_mm: float = Field(gt=0, le=80)
    elongation: float = Field(ge=1, le=3)
    quaternion: tuple[float, float, float, float]
    necrosis: float = Field(ge=0, le=0.9)
    node_hu: float
    shape_seed: int = Field(ge=0)


def sample_specs(options: LymphNodeOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the nodes of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    return one_by_one(_sample_one, options, scene, rng=rng, taken=taken)


def _sample_one(options: LymphNodeOptions, scene: Scene, taken: Sequence[Ball], *,
                rng: np.random.Generator) -> LymphNodeSpec:
    short, long_ = float(options.short_axis_mm.sample(rng=rng)), float(options.elongation.sample(rng=rng))
    form: dict[str, Any] = {"short_axis_mm": round(short, 3), "elongation": long_,
                            "quaternion": random_quaternion(rng=rng), "necrosis": options.necrosis.sample(rng=rng),
                            "node_hu": options.node_hu.sample(rng=rng), "shape_seed": int(rng.integers(2**53))}
    reach = 0.5 * short * long_ * 1.15
    fat, room = host(scene, "mediastinal_fat"), host(scene, *_room(scene))
    carina = np.asarray(scene.landmarks["carina"]) if "carina" in scene.landmarks else None
    if carina is None:
        raise PlacementError(f"lesions.thoracic_lymph_node needs a carina, body {scene.body!r} has none")
    points = fat.points(SITES, rng=rng)
    depth = room.depth_at(points)
    # Where there is most room first: nodes lie between vessels, and bulge into the lung where they must.
    for centre in points[np.argsort(-np.minimum(depth, DEEP * short), kind="stable")]:
        station = station_of(centre - carina)
        if station and keeps_apart(centre, reach, taken):
            return LymphNodeSpec(station=station, centre_mm=point(centre), reach_mm=round(reach, 3),
                                 **form)
    raise PlacementError(f"lesions.thoracic_lymph_node found no place for one of short_axis_mm {short:.1f}")


def _room(scene: Scene) -> tuple[str, ...]:
    """Return what a node may take the place of: it breaks into no vessel, airway, heart or bone; lung gives way."""
    names = {s.name for s in scene.structures}
    return tuple(name for name in ROOM if any(fnmatchcase(one, name) for one in names))


def station_of(from_carina_mm: np.ndarray) -> str:
    """Return the lymph node station around an offset from the carina, empty where none is near."""
    best = min(STATIONS, key=lambda item: float(np.linalg.norm(from_carina_mm - np.asarray(item[1]))) / item[2])
    return best[0] if np.linalg.norm(from_carina_mm - np.asarray(best[1])) < best[2] else ""


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(LymphNodeSpec, spec, number)
    seed = Seed(one.shape_seed)
    # The long axis lies along the body, as nodes beside the trachea do: the axial plane shows the short ones.
    axes = np.array([1.0, 1.0, one.elongation]) / one.elongation ** (1 / 3)
    volume = np.pi / 6 * one.short_axis_mm**3 * one.elongation * 1.08
    x, y, z = axes.tolist()
    w, qx, qy, _ = one.quaternion
    turn = turn_of((3.0 + abs(w), 0.4 * qx, 0.4 * qy, 0.0))
    body = blob(one.centre_mm, volume, axes=(x, y, z), turn=turn, lobulation=0.15, roughness=0.03,
                seed=seed.child("body"), host=host(scene, *_room(scene)).shape, cut=True)
    made = {"solid": lesion_part(number, "solid", "lymph_node", LYMPHADENOPATHY, whole=True,
                                 mixture=mixture_for_hu("lymph_node", one.node_hu), enhancement="lymph_node",
                                 texture=Texture(octaves=((4.0, 0.008),)))}
    layers = [Layer(made["solid"].label)]
    if one.necrosis > 0:
        made["core"] = lesion_part(number, "core", "necrosis", LYMPHADENOPATHY)
        layers.append(Layer(made["core"].label, (1 - one.necrosis) * one.short_axis_mm / 2))
    room = labels_of(scene, *_room(scene))
    attributes = {"type": "enlarged", "station": one.station, "necrotic": one.necrosis > 0}
    return Lesion(number, one.kind, LYMPHADENOPATHY, tuple(made.values()), (Paint(body, tuple(layers), room),),
                  "mediastinal_fat", attributes, one.model_dump(mode="json"), classify=_classes)


def _classes(measured: Measured) -> dict[str, Any]:
    return {"recist": recist_class(measured.short_axis_mm)}


def recist_class(short_axis_mm: float) -> str:
    """Return the class of a node in RECIST 1.1.

    Examples
    --------
    >>> recist_class(9.9), recist_class(12.0), recist_class(15.0)
    ('normal', 'non-target', 'target')
    """
    return "normal" if short_axis_mm < 10 else "non-target" if short_axis_mm < 15 else "target"


FAMILY = Family("thoracic_lymph_node", "Enlarged mediastinal and hilar lymph nodes", LymphNodeOptions, sample_specs,
                insert, ("thorax", "torso"))
