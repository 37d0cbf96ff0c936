"""The base of the skull: sphenoid, clivus, petrous pyramids, mastoids, condyles, and the ear within."""

from __future__ import annotations

from phantoms.head.assembly import Assembly

# Lengths in reference mm after textbook plates and skull measures (unverified): petrous pyramid 55 mm at 45 degrees to
# the midline, mastoid tip 30 mm below the ear canal, canals 25-30 mm long, occipital condyles 22 mm.


def add_skull_base(bones: Assembly) -> None:
    """Add the base of the brain case; the cranial cavity is cut out of it later."""
    jaw = bones.frame.jaw
    bones.sweep("sphenoid_bone", [(0, -41, -36), (0, -28, -39), (0, -12, -38)], (0, 0, 1), (9, 14, 13),
                (9, 17, 17), 2.6)
    bones.sweep("occipital_bone", [(0, -9, -37), (0, -3, -48), (0, 5, -59), (0, 8, -62)], (0, 1, 0), (9, 7, 5, 3),
                (16, 14, 11, 8), 2.4)
    bones.blobs("occipital_bone", (16.5, 23.0, -63.5), (6.0, 11.0, 6.0), (-0.5, 0.0))
    bones.pair("temporal_bone_{}", [(8, -4, -34), (20, 6, -37), (33, 16, -38), (47, 25, -37)], (0, 0, 1),
               (6.5, 10, 13, 14), (6, 8.5, 11, 11), 2.2)
    bones.pair("mastoid_bone_{}", [(56, 30, -34), (56, 28, -46), (54, 24, -59), (52, 20, -69)], (1, 0, 0),
               (9, 11, 8.5, 4.5), (13, 15, 11, 5.5))
    bones.pair("temporal_bone_{}", [(63, 9.5, -43), (50, 7, -43), (36, 4, -41)], (0, 0, 1), (7.0, 7.0, 6.5),
               (6.5, 6.5, 6.5))
    bones.pair("temporal_bone_{}", [(40, -15, -45), (52, -14, -46), (63, -11, -46)], (0, 0, 1), (4.5, 4, 4), (6, 5, 4))
    bones.pair("temporal_bone_{}", [(47, 13, -54), (44.5, 8, -68), (41, 1, -82), (37, -4, -90)], (1, 0, 0),
               (2.6, 1.7, 1.3, 0.7), (2.6, 1.7, 1.3, 0.7))
    bones.pair("sphenoid_bone", [(13, -25, -16), (27, -34, -14), (42, -40, -12), (54, -40, -7)], (0, 0, 1),
               (2.5, 2.2, 2.5, 3), (3.5, 4, 4.5, 4))
    bones.pair("sphenoid_bone", [(12.5, -31, -48), (12.5, -31, -62), (12, -31, -75)], (1, 0, 0), (2.2, 1.0, 0.8),
               (6, 5, 2.5))
    bones.pair("sphenoid_bone", [(16, -31, -47), (19, -28, -60), (21, -25, -73)], (0.8, -0.5, 0), (2.4, 1.1, 0.8),
               (7, 9, 6))
    for side, sign in (("right", -1.0), ("left", 1.0)):
        del side
        bones.sweep("occipital_bone", [(sign * 20, 38, -61), (sign * 34, 42, -54), (sign * 48, 40, -44)], (0, 0, 1),
                    (3, 4, 4), (9 * jaw, 9, 7))
