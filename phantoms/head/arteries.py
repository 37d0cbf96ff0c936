"""The arteries of the brain: circle of Willis, its feeding and its outgoing vessels, and their surface branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medsynth.shapes.sampled import SampledShape
from medsynth.shapes.tubes import Tubes
from phantoms.head.vessel_paths import Bed, Points, joined, path_mm, tubes_along

SIDES = (("right", -1), ("left", 1))
Row = tuple[float, float, float]

# Courses of the left side, reference mm. Diameters (mm): cavernous ICA 5.0, its end 3.6, M1 3.1, M2 2.4 (JNIS); A1
# 2.05, ACoA 1.16 (MRA n = 513); P1 2.1; basilar 3.6 to 3.1, vertebral 3.9 to 2.8.
CAROTID: tuple[Row, ...] = (
    (12.0, 1.0, -31.0), (12.5, -4.0, -27.0), (13.0, -14.0, -26.0), (12.5, -21.5, -23.0), (11.0, -22.0, -17.5),
    (11.5, -17.0, -14.0), (13.0, -13.5, -11.0),
)
CAROTID_END = CAROTID[-1]
M1: tuple[Row, ...] = (CAROTID_END, (20.0, -15.0, -9.5), (28.0, -17.5, -9.0), (34.5, -19.0, -9.0))
FORK = M1[-1]
# Each branch of the middle cerebral artery: over the insula, out at the fissure's lip, and where it ends.
MIDDLE_BRANCHES: Mapping[str, tuple[Row, Row, Row, Row]] = {
    "orbitofrontal": ((37, -25, -5), (44, -31, -6), (49, -42, -4), (46, -58, 4)),
    "prefrontal": ((38, -24, 4), (45, -27, -2), (52, -38, 12), (46, -50, 28)),
    "precentral": ((38, -18, 9), (47, -18, 1), (57, -22, 20), (48, -16, 48)),
    "central": ((38, -10, 11), (52, -8, 4), (62, -6, 22), (50, 2, 52)),
    "anterior_parietal": ((38, 0, 12), (54, 5, 8), (64, 14, 28), (48, 26, 56)),
    "posterior_parietal": ((38, 4, 10), (54, 20, 14), (62, 34, 28), (42, 48, 50)),
    "angular": ((38, 3, 5), (54, 28, 18), (60, 42, 22), (46, 66, 30)),
    "temporo_occipital": ((38, 2, 0), (56, 22, 10), (62, 42, 4), (48, 70, 6)),
    "posterior_temporal": ((38, -3, -4), (56, 8, 3), (66, 22, -6), (58, 48, -10)),
    "middle_temporal": ((38, -8, -6), (56, -4, -2), (66, 4, -14), (60, 24, -26)),
    "temporopolar": ((37, -18, -11), (45, -22, -9), (53, -24, -18), (46, -34, -30)),
}
UPPER = ("orbitofrontal", "prefrontal", "precentral", "central", "anterior_parietal")
A1: tuple[Row, ...] = (CAROTID_END, (8.5, -18.0, -10.5), (2.0, -24.5, -9.0))
PERICALLOSAL: tuple[Row, ...] = (
    A1[-1], (1.7, -34.0, -12.5), (1.7, -46.0, -10.0), (1.7, -51.0, 0.0), (1.7, -48.0, 14.0), (1.7, -36.0, 25.0),
    (1.7, -18.0, 31.0), (1.7, 4.0, 32.0), (1.7, 20.0, 28.0), (1.7, 33.0, 22.0),
)
# The third is the callosomarginal artery, from which the next four leave.
ANTERIOR_BRANCHES: tuple[tuple[Row, ...], ...] = (
    ((1.7, -46.0, -10.0), (1.8, -60.0, -14.0), (5.0, -72.0, -14.0)),
    ((1.7, -51.0, 0.0), (1.8, -66.0, 4.0), (4.0, -80.0, 14.0)),
    ((1.7, -50.5, 4.0), (1.8, -60.0, 20.0), (1.8, -52.0, 38.0), (1.8, -34.0, 45.0), (1.8, -12.0, 48.0)),
    ((1.8, -60.0, 20.0), (2.0, -70.0, 34.0), (8.0, -68.0, 44.0)),
    ((1.8, -52.0, 38.0), (2.0, -52.0, 54.0), (10.0, -44.0, 62.0)),
    ((1.8, -34.0, 45.0), (2.0, -28.0, 62.0), (10.0, -20.0, 74.0)),
    ((1.8, -12.0, 48.0), (2.0, -2.0, 64.0), (8.0, 6.0, 78.0)),
    ((1.7, 20.0, 28.0), (2.0, 36.0, 44.0), (6.0, 44.0, 66.0)),
)
POSTERIOR: tuple[Row, ...] = (
    (0.0, 0.0, -15.0), (7.0, 1.5, -13.5), (16.0, 6.0, -11.0), (20.5, 15.0, -8.5), (16.0, 25.0, -5.0),
    (10.0, 34.0, -1.0), (6.0, 46.0, 4.0), (4.0, 62.0, 5.0), (3.5, 80.0, 2.0),
)
POSTERIOR_BRANCHES: tuple[tuple[Row, ...], ...] = (
    ((20.5, 15.0, -8.5), (24.0, 22.0, -20.0), (32.0, 38.0, -22.0), (36.0, 60.0, -16.0)),
    ((19.0, 10.0, -9.5), (25.0, 4.0, -24.0), (30.0, -6.0, -36.0)),
    ((6.0, 46.0, 4.0), (3.5, 54.0, 16.0), (2.5, 66.0, 34.0)),
)
COMMUNICATING_START: Row = (11.5, -16.5, -13.5)
COMMUNICATING: tuple[Row, ...] = (COMMUNICATING_START, (9.5, -8.0, -14.5), (7.0, 1.5, -13.5))
VERTEBRAL: tuple[Row, ...] = ((11.5, 24.0, -70.0), (9.0, 19.0, -63.0), (5.0, 13.0, -55.0), (0.0, 8.5, -48.0))
BASILAR: tuple[Row, ...] = (
    (0.0, 8.5, -48.0), (0.6, 3.5, -40.0), (-0.4, 0.0, -31.0), (0.0, -1.0, -22.0), (0.0, 0.0, -15.0),
)
CEREBELLAR: tuple[tuple[tuple[Row, ...], float], ...] = (
    (((0.0, -0.5, -18.0), (12.0, 5.0, -18.0), (20.0, 16.0, -16.0), (15.0, 30.0, -9.0), (18.0, 46.0, -10.0),
      (26.0, 62.0, -18.0)), 0.8),
    (((0.0, 1.0, -34.0), (12.0, 3.0, -37.0), (22.0, 10.0, -39.0), (34.0, 22.0, -44.0), (46.0, 40.0, -42.0)), 0.6),
    (((8.0, 17.5, -61.0), (13.0, 24.0, -60.0), (11.0, 33.0, -62.0), (8.0, 42.0, -58.0), (14.0, 62.0, -62.0),
      (24.0, 74.0, -52.0)), 0.7),
)


def _mirrored(rows: Sequence[Row], sign: int) -> Points:
    return np.asarray(rows, float) * [sign, 1, 1]


class _Grower:
    """Turns tables into tubes: one seed per vessel, in the order they are asked for."""

    def __init__(self, bed: Bed, calibre: float, wander_mm: float, seed: int) -> None:
        self.bed, self.calibre, self.wander_mm, self.seed = bed, calibre, wander_mm, seed

    def vessel(self, rows: Points, first_mm: float, last_mm: float, wander: float = 1.0, settle: bool = True) -> Tubes:
        self.seed += 7
        path = path_mm(self.bed.space.at(rows), wander * self.wander_mm, self.seed)
        first, last = first_mm * self.calibre, last_mm * self.calibre
        if settle:
            path = self.bed.settled(path, np.linspace(first, last, len(path)))
        return tubes_along(path, first, last)

    def forked(self, stem: Tubes, spread_mm: float) -> list[Tubes]:
        """Return a surface branch and two daughters that leave it and part, along the surface."""
        path = np.concatenate([stem.starts_mm, stem.ends_mm[-1:]])
        parts = [stem]
        for share, turn in ((0.55, 1.0), (0.75, -1.0)):
            n = int(share * (len(path) - 1))
            start, along = path[n], path[-1] - path[n]
            out = path[n] - self.bed.space.at([0.0, 5.0, 10.0])
            across = np.cross(along, out)
            across /= max(float(np.linalg.norm(across)), 1e-6)
            end = start + along + turn * spread_mm * across
            points = np.stack([start, start + 0.5 * along + 0.35 * turn * spread_mm * across, end])
            self.seed += 7
            radius = float(stem.start_radii_mm[n])
            branch = self.bed.settled(path_mm(points, 0.8 * self.wander_mm, self.seed), radius)
            parts.append(tubes_along(branch, 0.8 * radius, 0.45 * radius))
        return parts


def build_arteries(bed: Bed, stem: SampledShape, spec: Mapping[str, Any]) -> dict[str, Tubes]:
    """Return the arteries by name, both sides, with the individual's calibres and variants."""
    grow = _Grower(bed, float(spec["calibre"]), float(spec["wander_mm"]), int(spec["seed"]))
    stemmed = Bed(bed.space, stem, bed.cavity)
    trunk = _Grower(stemmed, float(spec["calibre"]), 0.5, int(spec["seed"]) + 500)
    found: dict[str, Tubes] = {"basilar_artery": trunk.vessel(_mirrored(BASILAR, 1), 1.75, 1.55)}
    left_share = float(spec["vertebral"])
    for n, (side, sign) in enumerate(SIDES):
        girth = 1 + 0.5 * left_share * sign
        found[f"vertebral_artery_{side}"] = trunk.vessel(_mirrored(VERTEBRAL, sign), 1.7 * girth, 1.45 * girth)
        cerebellar = [trunk.vessel(_mirrored(rows, sign), r, 0.55 * r, 2.0) for rows, r in CEREBELLAR]
        found[f"cerebellar_arteries_{side}"] = joined(cerebellar)
        found[f"internal_carotid_artery_{side}"] = grow.vessel(_mirrored(CAROTID, sign), 2.4, 1.8, 0.3, settle=False)
        found[f"middle_cerebral_artery_{side}"] = _middle(grow, sign)
        girth = float(spec["a1"][n])
        anterior = [grow.vessel(_mirrored(A1, sign), 1.05 * girth, 1.0 * girth, 0.5),
                    grow.vessel(_mirrored(PERICALLOSAL, sign), 1.1, 0.6, 0.4)]
        for rows in ANTERIOR_BRANCHES:
            anterior.append(grow.vessel(_mirrored(rows, sign), 0.7, 0.4, 0.6))
        found[f"anterior_cerebral_artery_{side}"] = joined(anterior)
        start = 0.7 if spec["fetal"][n] else 1.1
        posterior = [trunk.vessel(_mirrored(POSTERIOR[:5], sign), start, 1.0, 1.0),
                     grow.vessel(_mirrored(POSTERIOR[4:], sign), 1.0, 0.6, 0.5)]
        posterior += [grow.vessel(_mirrored(rows, sign), 0.75, 0.4, 0.6) for rows in POSTERIOR_BRANCHES]
        found[f"posterior_cerebral_artery_{side}"] = joined(posterior)
        girth = float(spec["posterior_communicating_mm"][n]) / 2
        link = trunk.vessel(_mirrored(COMMUNICATING, sign), girth, girth, 0.6)
        found[f"posterior_communicating_artery_{side}"] = link
    across = np.array([_mirrored(A1, -1)[-1], [0.0, A1[-1][1] - 0.6, A1[-1][2] + 0.3], A1[-1]])
    found["anterior_communicating_artery"] = grow.vessel(across, 0.6, 0.6, 0.2, settle=False)
    return found


def _middle(grow: _Grower, sign: int) -> Tubes:
    """Return M1, two M2 trunks, and the branches over the insula and out through the Sylvian fissure."""
    parts = [grow.vessel(_mirrored(M1, sign), 1.55, 1.4, 0.4)]
    upper: tuple[Row, ...] = (FORK, (37.5, -20.0, -4.0), (38.0, -19.0, 3.0))
    lower: tuple[Row, ...] = (FORK, (38.0, -13.0, -7.0), (38.5, -4.0, -3.0))
    for rows in (upper, lower):
        parts.append(grow.vessel(_mirrored(rows, sign), 1.2, 1.0, 0.5))
    for name, (insula, lip, surface, end) in MIDDLE_BRANCHES.items():
        trunk = upper if name in UPPER else lower
        rows = (FORK, insula, lip) if name in ("orbitofrontal", "temporopolar") else (trunk[1], insula, lip)
        parts.append(grow.vessel(_mirrored(rows, sign), 0.85, 0.75, 0.6))
        parts += grow.forked(grow.vessel(_mirrored((lip, surface, end), sign), 0.75, 0.4, 1.6), 13.0)
    return joined(parts)
