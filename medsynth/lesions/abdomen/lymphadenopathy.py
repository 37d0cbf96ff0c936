"""Enlarged abdominal lymph nodes of a given short axis, beside the nodes that are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import PlacementError
from medsynth.lesions.abdomen.focal import ENOUGH, LEAST_ROOM, SITES, FocalSpec, body_of, organ, share_inside
from medsynth.lesions.distributions import Distribution, LogNormal, Options, Poisson, Uniform
from medsynth.lesions.family import Family, checked_spec
from medsynth.lesions.form import blob, random_quaternion
from medsynth.lesions.host import Host, point
from medsynth.lesions.matter import lesion_part, mixture_for_hu
from medsynth.lesions.placement import keeps_apart, taken_balls
from medsynth.lesions.star_body import even_directions
from medsynth.scene.structure import Code, Layer, Lesion, Measured, Paint, Scene, Structure, Texture

ADENOPATHY = Code("30746006", "Lymphadenopathy")
NODES = ("abdominal_lymph_nodes", "iliac_lymph_nodes")
ROOM = (*NODES, "abdominal_fat", "mesenteric_*")
RETROPERITONEAL_MM = 45.0  # distance from the spine up to which a node is called so (unverified)
SHIFT_MM = 8.0  # how far from a healthy node an enlarged one may lie
NECROTIC = 0.15  # share with a dead centre (unverified)


class LymphadenopathyOptions(Options):
    """Enlarged abdominal nodes of one recipe entry.

    Attributes
    ----------
    count : how many.
    short_axis_mm : of each.
    elongation : long axis over short axis.
    """

    count: Distribution = Poisson(mean=4, low=1, high=15)
    short_axis_mm: Distribution = LogNormal(median=14, sigma=0.35, low=10, high=32)  # >= 10 mm (RECIST 1.1)
    elongation: Distribution = Uniform(low=1.05, high=1.6)


class LymphadenopathySpec(FocalSpec):
    """One enlarged node in plain numbers."""

    kind: Literal["lymphadenopathy"] = "lymphadenopathy"
    short_axis_mm: float
    necrotic: bool


def sample_specs(options: LymphadenopathyOptions, scene: Scene, *, rng: np.random.Generator,
                 taken: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Draw the enlarged nodes of one recipe entry as specs of JSON values.

    Raises
    ------
    PlacementError
        If one finds no place.
    """
    specs: list[dict[str, Any]] = []
    nodes, space = scene.vessels["lymph_nodes"], organ(scene, *ROOM)
    healthy = (nodes.starts_mm + nodes.ends_mm) / 2
    for stream in rng.spawn(int(options.count.sample(rng=rng))):
        short, ratio = float(options.short_axis_mm.sample(rng=stream)), options.elongation.sample(rng=stream)
        axes = point(np.array([1.0, 1.0, ratio]) / ratio ** (1 / 3))
        diameter, reach = short * ratio ** (1 / 3), 0.5 * short * ratio
        rays, balls = even_directions(48) * 0.46 * diameter, taken_balls(*taken, *specs)
        best, share = None, LEAST_ROOM
        near = [healthy[n] + stream.uniform(-1, 1, 3) * SHIFT_MM for n in stream.permutation(len(healthy))]
        # Where conglomerates already lie by all healthy nodes, any deep fat will do.
        for at in chain(near, _deep_fat(space, short, rng=stream)):
            found = share_inside(space, at + rays) if keeps_apart(at, reach, balls) else 0.0
            if found > share:
                best, share = at, found
            if share > ENOUGH:
                break
        if best is None:
            raise PlacementError(f"lesions.lymphadenopathy found no place for one of short_axis_mm {short:.1f}")
        specs.append(LymphadenopathySpec(
            diameter_mm=round(diameter, 3), short_axis_mm=short, axes=axes, quaternion=random_quaternion(rng=stream),
            centre_mm=point(best), reach_mm=round(reach,
                                                  3), shape_seed=int(stream.integers(2**53)), host=space.names[0],
            necrotic=bool(stream.uniform() < NECROTIC)).model_dump(mode="json"))
    return specs


def _deep_fat(space: Host, short_mm: float, *, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    yield from space.points(SITES, rng=rng, depth_mm=(0.3 * short_mm, np.inf))


def insert(spec: Mapping[str, Any], scene: Scene, number: int) -> Lesion:
    """Build lesion `number` from its spec alone."""
    one = checked_spec(LymphadenopathySpec, spec, number)
    where = organ(scene, *ROOM)
    body = body_of(one, lobulation=0.0, roughness=0.015, within=where)
    made: dict[str, Structure] = {"solid": lesion_part(
        number, "solid", "lymph_node", ADENOPATHY, whole=True, enhancement="lymph_node",
        mixture=mixture_for_hu("lymph_node", 42.0), texture=Texture(octaves=((5.0, 0.005),)))}
    paints = [Paint(body, (Layer(made["solid"].label),), where.labels)]
    if one.necrotic:
        made["core"] = lesion_part(number, "core", "necrosis", ADENOPATHY)
        dead = blob(one.centre_mm, 0.25 * one.volume_mm3, axes=one.axes, turn=body.turn, roughness=0.08,
                    lobulation=0.4, seed=one.part("core"))
        paints.append(Paint(dead, (Layer(made["core"].label),), (made["solid"].label,)))
    return Lesion(number, one.kind, ADENOPATHY, tuple(made.values()), tuple(paints), one.host,
                  {"necrotic": one.necrotic, "station": _station(scene, one)}, one.model_dump(mode="json"),
                  classify=_recist)


def _station(scene: Scene, one: LymphadenopathySpec) -> str:
    """Return "retroperitoneal" beside the spine, "iliac" below the bifurcation, otherwise "mesenteric"."""
    fork = scene.landmarks.get("aortic_bifurcation")
    if fork is not None and one.centre_mm[2] < fork[2]:
        return "iliac"
    beside = float(scene.fields["spine"].distance_mm(np.array([one.centre_mm]))[0])
    return "retroperitoneal" if beside < RETROPERITONEAL_MM else "mesenteric"


def _recist(measured: Measured) -> dict[str, Any]:
    short = measured.short_axis_mm
    return {"recist": "normal" if short < 10 else "non-target" if short < 15 else "target"}


FAMILY = Family("lymphadenopathy", "Enlarged abdominal lymph nodes", LymphadenopathyOptions, sample_specs, insert,
                ("abdomen", "pelvis", "torso"))
