"""The facial skeleton: brows and rims of the orbits, nose, cheek bones and arches, maxilla, mandible, hyoid."""

from __future__ import annotations

import numpy as np

from phantoms.head.assembly import Assembly

# Reference mm after cephalometric means (unverified): nasion-menton 118, ramus 62, body 75, bigonial 103, bizygomatic
# 137, interorbital 25; ANS-PNS 52 mm. The palatal plane falls forward by 10 degrees, the occlusal plane by 18.
# Dental arches, left half from the midline: x, y, z of the necks of the teeth.
UPPER_ARCH = np.array([(0.0, -79.5, -100.5), (8.5, -78.0, -100.0), (16.5, -72.0, -98.0), (22.0, -62.0, -95.5),
                       (25.5, -51.0, -92.5), (28.0, -41.0, -90.0), (29.0, -32.0, -88.0)])
LOWER_ARCH = np.array([(0.0, -76.0, -117.5), (7.0, -74.5, -117.0), (14.0, -69.0, -115.5), (20.0, -59.5, -112.0),
                       (24.0, -48.5, -108.0), (27.5, -37.0, -104.0), (30.0, -26.0, -100.0)])


def add_face(bones: Assembly, toothless: tuple[float, float]) -> None:
    """Add the facial bones; toothless : how far the upper and lower alveolar ridges have shrunk, 0 to 1."""
    _add_rims(bones)
    _add_maxilla(bones, toothless[0])
    _add_mandible(bones, toothless[1])
    bones.pair("hyoid", [(20, -7, -131), (15, -18, -135), (6, -24.5, -137), (0, -25.5, -137)], (0, 0, 1),
               (1.8, 2.2, 3.6, 4.2), (1.5, 1.8, 2.2, 2.6))


def _add_rims(bones: Assembly) -> None:
    """Add glabella, brows, the rims of the orbits, nasal bones, cheek bones and zygomatic arches."""
    bones.blob("frontal_bone", (0, -86, -21), (17, 6.0, 13), (0, -0.25))
    bones.pair("frontal_bone", [(8, -88, -24), (18, -88.5, -22), (31, -86.5, -19.5), (43, -80, -21.5), (50, -72, -29)],
               (0, 1, 0), (4.5, 4.2, 4.0, 4.0, 3.6), (4, 4, 4.2, 4.2, 4))
    bones.pair("frontal_bone", [(50, -71.5, -26), (48, -65, -15), (44, -58, -6)], (1, 0, 0), (3, 2.6, 2), (5, 5, 4))
    jaw = bones.frame.jaw
    bones.pair("zygoma_{}", [(50, -71.5, -28), (51.5, -69.5, -37), (50.5, -69, -47), (48, -71, -56)], (0, 1, 0),
               (3.2, 3.2, 4.0, 5), (2.8, 2.8, 3.5, 5))
    bones.blobs("zygoma_{}", (47.5 * jaw, -69.5, -61.5), (9.5, 7.0, 9.0), (0.6, 0.0))
    bones.pair("zygoma_{}", [(50, -66, -62), (59 * jaw, -55, -60), (65.5 * jaw, -41, -57.5), (67 * jaw, -28, -55)],
               (1, 0.35, 0), (4.5, 2.4, 2.0, 2.0), (8, 5.5, 4.5, 4))
    bones.pair("temporal_bone_{}", [(67 * jaw, -29, -55), (67 * jaw, -16, -51), (64, -4, -47), (61, 6, -45)],
               (1, 0, 0), (2.0, 2.2, 3, 3), (4, 3.8, 4, 3))
    bones.pair("zygoma_{}", [(44, -66, -68), (38, -63, -78), (33, -60, -86)], (0, 1, 0), (6.5, 5, 4), (6, 5, 4))
    bones.pair("maxilla", [(46, -73, -57.5), (38, -79, -58.5), (29, -82, -57.5), (20, -83, -52), (14.5, -83.5, -43)],
               (0, 1, 0), (4, 3.2, 2.8, 2.6, 2.2), (3.5, 3, 2.6, 2.6, 2.4))
    bones.pair("nasal_bones", [(2.6, -88.5, -31), (3.2, -92, -41), (4.2, -97.0, -51), (5.0, -100, -56)],
               (0.55, -1, 0), (2.2, 1.3, 1.0, 0.7), (3.4, 3.2, 4.0, 4.5))


def _add_maxilla(bones: Assembly, toothless: float) -> None:
    """Add frontal processes, the floor of the nose and the hard palate, and the upper alveolar process."""
    bones.pair("maxilla", [(8, -87, -36), (10.5, -87, -46), (14, -85, -56), (17.5, -82.5, -66), (18.5, -80, -76)],
               (-0.5, 1, 0), (2.0, 1.8, 1.8, 2.2, 3), (3, 4, 4, 4.5, 4))
    bones.blob("maxilla", (0, -81, -85.5), (3.5, 5, 4))
    bones.sweep("maxilla", [(0, -78, -86), (0, -64, -81.5), (0, -46, -77), (0, -31, -74)], (0, 0, 1),
                (3.5, 2.2, 1.6, 1.5), (13, 20, 21, 15), 3.0)
    shrink = 1 - 0.55 * toothless
    root = UPPER_ARCH + np.array([0.0, 0.5, 9.0]) + np.array([0.0, 2.0, 3.0]) * toothless
    widths = np.array([5.2, 5.4, 6.0, 6.6, 7.4, 7.4, 6.0]) * (1 - 0.25 * toothless)
    bones.pair("maxilla", root, (0, 0, 1), np.array([9, 9, 9, 9, 8.5, 8, 7]) * shrink, widths, 2.6)


def _add_mandible(bones: Assembly, toothless: float) -> None:
    """Add body, alveolar process, chin, rami with condyles and coronoid processes."""
    jaw = bones.frame.jaw
    lower = np.array([(0, -66, -138.5), (11, -65, -138.5), (22 * jaw, -57, -134), (30 * jaw, -45, -126.5),
                      (36.5 * jaw, -31, -118.5), (42 * jaw, -17, -110.5), (45 * jaw, -7, -103)])
    bones.pair("mandible", lower, (0, 0, 1), (9.5, 9, 9, 9.5, 10, 11, 13), (6.5, 6.0, 5.6, 5.6, 5.4, 4.6, 4), 2.4)
    bones.blob("mandible", (0, -68, -141), (14, 4.5, 6))
    crest = LOWER_ARCH + np.array([0.0, 1.0, -9.0]) + np.array([0.0, 0.0, -5.0]) * toothless
    height = np.array([9.0, 9, 9.5, 9.5, 9.5, 9, 8.5]) * (1 - 0.5 * toothless)
    bones.pair("mandible", crest, (0, 0, 1), height, (4.2, 4.4, 5.0, 5.6, 6.2, 6.4, 5.0), 2.4)
    bones.pair("mandible", [(44.5 * jaw, -9, -107), (46.5 * jaw, -7.5, -94), (48 * jaw, -7, -80), (48.5, -4.5, -67),
                            (49, -3, -58), (49, -2.5, -52)], (1, 0, 0), (4.2, 3.6, 2.8, 2.6, 3.0, 3.6),
               (15.5, 16.5, 15, 9, 4.8, 4), 2.3)
    bones.pair("mandible", [(41, -2.0, -50.5), (49, -3, -49.5), (57, -3.5, -50.5)], (0, 0, 1), (2.6, 3.8, 2.6),
               (3.2, 4.0, 3.2))
    bones.pair("mandible", [(46 * jaw, -17, -92), (46 * jaw, -21, -79), (47, -23.5, -68), (47, -24, -61)], (1, 0, 0),
               (3, 2.3, 1.8, 1.0), (8, 7, 4.5, 1.8))
