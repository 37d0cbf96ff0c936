"""Where in a lobe a nodule may sit, for each way it may touch the pleura or a vessel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medsynth.lesions.placement import BATCHES, field, lobe_host, lung_of, random_points, tube_clearance_mm
from medsynth.scene.structure import Scene

Array = NDArray[np.float64]

CANDIDATES = 48
HILAR_RADIUS_MM = 2.5  # vessels and airways from here on are kept clear of nodules that do not sit on one
SHRINK = 1.3  # farthest surface point of a free nodule, in radii of its sphere
BROAD_BASE = (0.2, 0.8)  # depth of the centre of a nodule on the pleura, in radii
TAG_SPAN_MM = (3.0, 15.0)
VESSEL_RADII_MM = (0.6, 3.0)
PERIPHERY_MM = 15.0  # length over which a full peripheral preference falls to 1/e


def candidate_sites(scene: Scene, lobe: str, attachment: str, radius_mm: float, peripheral: float, *,
                    rng: np.random.Generator) -> Array:
    """Return up to `CANDIDATES` centres (n, 3) in LPS mm, most likely ones first by chance; none where none fits."""
    found: list[Array] = []
    for _ in range(BATCHES):
        if attachment == "juxtavascular":
            points = _beside_vessels(scene, lobe, radius_mm, rng=rng)
        else:
            points = _by_depth(scene, lobe, attachment, radius_mm, peripheral, rng=rng)
        found.append(points)
        if sum(map(len, found)) >= CANDIDATES:
            break
    return np.concatenate(found)[:CANDIDATES]


def _by_depth(scene: Scene, lobe: str, attachment: str, radius: float, peripheral: float, *,
              rng: np.random.Generator) -> Array:
    points, depth = random_points(lobe_host(scene, lobe), rng=rng)
    if not len(points):
        return points
    lung_depth = -np.asarray(field(scene, lung_of(lobe)).distance_mm(points), float)
    if attachment == "juxtapleural":
        fits = (lung_depth > BROAD_BASE[0] * radius) & (lung_depth < BROAD_BASE[1] * radius)
        fits &= lung_depth - depth < 0.5  # the nearest wall is the pleura, not a fissure
    elif attachment == "perifissural":
        fits = (depth > BROAD_BASE[0] * radius) & (depth < BROAD_BASE[1] * radius) & (lung_depth > SHRINK * radius)
    else:
        fits = depth > SHRINK * radius + 0.5
        if attachment == "pleural_tag":
            fits &= (lung_depth - depth < 0.5) & (depth > SHRINK * radius + TAG_SPAN_MM[0])
            fits &= depth < SHRINK * radius + TAG_SPAN_MM[1]
    points, lung_depth = points[fits], lung_depth[fits]
    order = _ranked(np.exp(-peripheral * lung_depth / PERIPHERY_MM), rng=rng)[:CANDIDATES]
    points = points[order]
    for tubes in scene.vessels.values():
        points = points[tube_clearance_mm(points, tubes, HILAR_RADIUS_MM) > radius]
    return points


def _ranked(weights: Array, *, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return indices in the order of a weighted draw without replacement (Efraimidis and Spirakis 2006)."""
    return np.argsort(rng.exponential(size=len(weights)) / np.maximum(weights, 1e-300))


def _beside_vessels(scene: Scene, lobe: str, radius: float, *, rng: np.random.Generator) -> Array:
    """Return centres whose sphere just touches a vessel of the lobe."""
    host = lobe_host(scene, lobe)
    low, high = (np.asarray(end) for end in host.bounds_mm())
    places, widths, axes = [], [], []
    for name, tubes in scene.vessels.items():
        if "airway" in name or "bronch" in name:
            continue
        wide = (tubes.start_radii_mm + tubes.end_radii_mm) / 2
        middle = (tubes.starts_mm + tubes.ends_mm) / 2
        fits = (wide >= VESSEL_RADII_MM[0]) & (wide <= VESSEL_RADII_MM[1]) & np.all((middle > low) & (middle < high), 1)
        places.append(middle[fits])
        widths.append(wide[fits])
        axes.append((tubes.ends_mm - tubes.starts_mm)[fits] / np.maximum(tubes.lengths_mm[fits], 1e-9)[:, None])
    if not sum(map(len, places)):
        return np.empty((0, 3))
    place, width, axis = np.concatenate(places), np.concatenate(widths), np.concatenate(axes)
    pick = rng.integers(len(place), size=512)
    side = rng.standard_normal((512, 3))
    side -= np.einsum("ij,ij->i", side, axis[pick])[:, None] * axis[pick]
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    centres = place[pick] + side * (width[pick] + radius * rng.uniform(0.7, 0.95, 512))[:, None]
    depth = -np.asarray(host.distance_mm(centres), float)
    return centres[depth > SHRINK * radius + 0.5][:CANDIDATES]
