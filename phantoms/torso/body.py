"""The adult thorax: numbers drawn once, and the scene built from them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsynth.core.errors import RecipeError
from medsynth.core.seed import Seed
from medsynth.scene.reference import (
    expected_heart_ml,
    expected_liver_ml,
    expected_lung_ml,
    expected_spleen_ml,
    individual_factor,
)
from medsynth.scene.structure import Layer, Paint, Scene, Structure, Texture
from medsynth.scene.subject import Subject
from medsynth.shapes.lattice import Lattice
from medsynth.shapes.primitives import Ellipsoid
from phantoms.torso import abdomen, heart, lungs
from phantoms.torso.cage import build_cage
from phantoms.torso.frame import VERTEBRAE, Frame
from phantoms.torso.spine import build_spine
from phantoms.torso.table import labels, structures
from phantoms.torso.trunk import Trunk, build_trunk

ORIGIN = "midline, middle of the T8 vertebral body's height, halfway between breastbone and back"
REFERENCE_HEIGHT_CM = 175.0
# Subcutaneous fat against a BMI of 25, by BMI: fitted to the girth of the chest, 2.0 cm per BMI unit.
BMI_KNOTS, FAT_KNOTS = (15, 18, 22, 25, 30, 35, 40, 50), (0.25, 0.4, 0.7, 1.0, 1.75, 2.55, 3.35, 4.9)
# Measured over sampled adults (benchmarks/population.py): the built lungs over their quick estimate, and the heart's
# drawn volume over what the diaphragm and the great vessels leave of it.
ESTIMATE_BIAS, HEART_SURPLUS = 1.08, 1.18


class Thorax:
    """Adults of both sexes from the thoracic inlet to below the kidneys' upper poles, arms raised, full inspiration."""

    name = "thorax"
    description = "adult chest from the thoracic inlet to the upper abdomen, arms up, full inspiration"
    scan_ranges = ("chest",)

    def structures(self) -> tuple[Structure, ...]:
        """Return every structure with its label and code."""
        return structures()

    def sample_spec(self, subject: Subject, *, rng: np.random.Generator) -> Mapping[str, Any]:
        """Draw one individual's numbers; all are plain JSON values."""
        female = subject.sex == "female"
        normal = rng.standard_normal

        def spread(mean: float, cv: float) -> float:
            return float(mean * np.exp(cv * np.clip(normal(), -2.5, 2.5)))

        bmi, age = subject.bmi, subject.age_years
        breath = individual_factor("lung", rng=rng)
        return {
            "version": 1,
            "seed": int(rng.integers(1, 2**31)),
            "lung_ml": expected_lung_ml(subject) * breath,
            "heart_ml": expected_heart_ml(subject) * individual_factor("heart", rng=rng),
            "liver_ml": expected_liver_ml(subject) * individual_factor("liver", rng=rng),
            "spleen_ml": min(420.0, expected_spleen_ml(subject) * individual_factor("spleen", rng=rng)),
            "breast_ml": spread(np.clip(260 + 28 * (bmi - 24), 90, 900), 0.35) if female else spread(12.0, 0.3),
            "fat": spread(np.interp(bmi, BMI_KNOTS, FAT_KNOTS), 0.12),
            "muscle": spread(
                (0.82 if female else 1.0) * (1 + 0.012 * (min(bmi, 45.0) - 25)) * (1 - 0.003 * max(age - 40, 0)), 0.06
            ),
            "belly_mm": float(
                np.interp(bmi, [16, 25, 45], [-12.0, 0.0, 24.0]) + (2.0 if female else 0.0) + 2.0 * normal()
            ),
            "chest_shape": float(np.clip(-0.015 - 0.0025 * (min(bmi, 40.0) - 25) + 0.03 * normal(), -0.10, 0.06)),
            "kyphosis": spread(1.0 + 0.006 * (age - 45), 0.10),
            "tilt": float(np.clip(0.012 * normal(), -0.03, 0.03)),
            "bone": spread(0.92 if female else 1.0, 0.035),
            "vessel": spread(0.93 if female else 1.0, 0.05),
            "aorta": spread(
                (0.95 if female else 1.0) * (1 + 0.0033 * (age - 50) + 0.12 * (subject.bsa_m2 - 1.95)), 0.07
            ),
            "heart_turn_deg": float(np.clip(0.5 * (bmi - 25) + 6 * normal(), -14, 14)),
            "dome_mm": _domes_mm(bmi, breath, float(normal()), float(normal())),
            "rib_jitter_mm": (2.0 * rng.standard_normal((2, 12))).tolist(),
            "sway_rad": np.clip(0.015 * rng.standard_normal(len(VERTEBRAE)), -0.04, 0.04).tolist(),
            "stomach_gas": float(rng.uniform(0.2, 0.6)),
            "marrow_mineral": float(np.clip(0.130 - 0.00135 * (age - 30) + 0.018 * normal(), 0.03, 0.22)),
            "lung_tissue": float(np.clip(0.130 + 0.018 * normal() + 0.004 * (25 - min(bmi, 25)) * -0.2, 0.085, 0.19)),
            "liver_fat": float(np.clip(rng.lognormal(np.log(0.03 + 0.004 * max(bmi - 25, 0)), 0.7), 0.005, 0.35)),
            "thymus_fat": float(np.clip(0.35 + 0.012 * (age - 20) + 0.1 * normal(), 0.2, 0.98)),
        }

    def build(self, subject: Subject, spec: Mapping[str, Any]) -> Scene:
        """Build the scene of this spec."""
        if spec.get("version") != 1:
            raise RecipeError(f"the spec's version must be 1, got {spec.get('version')!r}")
        return _Builder(subject, spec).scene()


BODY = Thorax()


def _domes_mm(bmi: float, breath: float, right: float, left: float) -> list[float]:
    """Return the heights of the right and the left dome: T9-T10, raised by a full belly, lowered by a deep breath."""
    top = -38.0 + 0.35 * (min(max(bmi, 17.0), 45.0) - 25.0) - 60.0 * (breath - 1)
    return [top + 3.0 * right, top - 11.0 + 4.0 * left]


class _Builder:
    """One build: the parts in order, each handing on what the next must respect."""

    def __init__(self, subject: Subject, spec: Mapping[str, Any]) -> None:
        self.subject, self.spec = subject, spec
        self.seed = Seed(int(spec["seed"])).child("thorax")

    def _frame(self, girth: float) -> Frame:
        s = self.spec
        height = self.subject.height_cm / REFERENCE_HEIGHT_CM
        shape = s["chest_shape"]
        return Frame(
            width=girth * (1 + shape),
            depth=girth * (1 - shape),
            height=height,
            fat=s["fat"],
            muscle=s["muscle"],
            belly_mm=s["belly_mm"],
            kyphosis=s["kyphosis"],
            tilt=s["tilt"],
            bone=s["bone"] * height**0.5,
            vessel=s["vessel"] * height**0.3,
            seed=int(s["seed"]) % 99991,
            low_z_mm=-260.0,
        )

    def _fitted_frame(self) -> tuple[Frame, float, float]:
        """Find the chest girth, then the diaphragm's height, that give the lungs their volume; and the heart's size."""
        girth, shift, turn = 1.0, 0.0, float(self.spec["heart_turn_deg"])
        wanted = float(self.spec["lung_ml"])
        scale = (HEART_SURPLUS * float(self.spec["heart_ml"]) / heart.heart_volume_ml(self._frame(1.0), 1.0, turn)) ** (
            1 / 3
        )
        for _ in range(3):
            have = self._lung_ml(self._frame(girth), shift, scale)
            girth = float(np.clip(girth * (wanted / have) ** 0.42, 0.84, 1.16))
        for _ in range(2):
            frame = self._frame(girth)
            have = self._lung_ml(frame, shift, scale)
            shift -= float(np.clip((wanted - have) * 1000 / (44000 * girth**2), -30, 30))
            shift = float(np.clip(shift, -34, 40))
        return self._frame(girth), shift, scale

    def _lung_ml(self, frame: Frame, shift: float, scale: float) -> float:
        """Estimate the lungs' volume on an 8 mm lattice with a plain mediastinum."""
        lattice = replace(frame.lattice, step_mm=8.0)
        points = lattice.points_mm
        cavity = lattice.sample(frame.cavity)
        angle = np.abs(((frame.cavity.angle_deg(points) + 180) % 360) - 180).astype(np.float32)
        trunk = Trunk(cavity, cavity, cavity, angle)
        above = lungs.diaphragm_height(frame, lattice, trunk, shift, tuple(self.spec["dome_mm"]))
        pleura = np.maximum(2.2 - above, cavity + 1.5)
        y = frame.spine_y_mm(lattice.z.ravel())[:, None, None]
        column = (np.sqrt((lattice.x / 24) ** 2 + ((lattice.y - y - 5) / 25) ** 2) - 1) * 22
        middle = lattice.sample(
            Ellipsoid(tuple(frame.at([3, -14, 95]).tolist()), tuple((np.array([36, 42, 78]) * frame.width).tolist()))
        )
        hull = lattice.sample(Ellipsoid(tuple(frame.at([15, -32, -10]).tolist()), (68 * scale, 50 * scale, 64 * scale)))
        return ESTIMATE_BIAS * lattice.volume_ml(np.maximum(pleura, -np.minimum(np.minimum(column, middle), hull)))

    def scene(self) -> Scene:
        """Build everything."""
        s, names = self.spec, labels()
        frame, shift, scale = self._fitted_frame()
        lattice = frame.lattice
        with ThreadPoolExecutor(max_workers=2) as pool:  # independent parts; the kernels release the interpreter lock
            outside = pool.submit(build_trunk, frame, float(s["breast_ml"]))
            column = pool.submit(build_spine, frame, np.asarray(s["sway_rad"]))
            bars = pool.submit(build_cage, frame, np.asarray(s["rib_jitter_mm"]), 0.0)
        (trunk, wall), (spine, bones), (cage, ribs) = outside.result(), column.result(), bars.result()
        above = lungs.diaphragm_height(frame, lattice, trunk, shift, tuple(s["dome_mm"]))
        diaphragm = lattice.shape_of(above)
        middle = heart.build_mediastinum(
            frame, spine.bone, diaphragm, scale, float(s["heart_turn_deg"]), float(s["aorta"]), float(s["fat"]) ** 0.5
        )
        outline = lattice.sample(middle.outline)
        lung = lungs.lung_field(frame, lattice, trunk, above, outline)
        lower, below = self._lower_half(frame, trunk)
        with ThreadPoolExecutor(max_workers=2) as pool:
            breathing = pool.submit(lungs.build_lungs, frame, lattice, lung, middle.tubes, self.seed)
            digesting = pool.submit(
                abdomen.build_abdomen,
                frame,
                lower,
                below,
                above[: lower.shape[0]],
                spine.bone,
                middle.tubes,
                float(s["liver_ml"]),
                float(s["spleen_ml"]),
                float(s["stomach_gas"]),
                self.seed,
            )
        breath, (organs, veins, belly) = breathing.result(), digesting.result()
        muscle = np.maximum(np.abs(above) - 1.2 - 0.4 * lattice.noise(frame.noise_seed(70), 16.0), trunk.cavity - 0.5)
        paints = [
            *wall,
            Paint(lattice.shape_of(trunk.cavity), (Layer(names["mediastinal_fat"]),)),
            *belly,
            Paint(lattice.shape_of(muscle), (Layer(names["diaphragm"]),)),
            *self._neck(frame, lattice, trunk),
            *heart.paint_long_vessels(frame, middle.tubes),
            *bones,
            *ribs,
            *breath.paints[:0],
            *self._glands(frame, middle),
            *heart.paint_shoulder_vessels(middle.tubes),
            *middle.paints,
            *breath.paints,
        ]
        fields = {
            **breath.fields,
            **organs,
            "body": lattice.shape_of(trunk.skin),
            "heart": middle.hull,
            "ribs": cage.ribs,
            "spine": spine.bone,
            "diaphragm": diaphragm,
        }
        low, high = lattice.shape_of(trunk.skin).bounds_mm()
        z = frame.at([[0, 0, -150], [0, 0, 176]])[:, 2]
        return Scene(
            "thorax",
            ORIGIN,
            self.subject,
            self._structures(),
            tuple(paints),
            fields,
            {**breath.trees, **veins},
            {"carina": tuple(frame.at(heart.TRACHEA[-1]).tolist()), "T8": (0.0, float(frame.spine_y_mm(0.0)), 0.0)},
            (low, high),
            {"chest": (float(z[0]), float(z[1]))},
            texture_seed=int(s["seed"]),
        )

    def _lower_half(self, frame: Frame, trunk: Trunk) -> tuple[Lattice, Trunk]:
        """Return the part of the body lattice that can hold abdominal organs, and the trunk on it."""
        whole = frame.lattice
        top = 20.0 * frame.height + max(self.spec["dome_mm"]) + 60.0
        lower = Lattice(whole.low_mm, (whole.high_mm[0], whole.high_mm[1], min(top, whole.high_mm[2])), whole.step_mm)
        count = lower.shape[0]
        return lower, Trunk(trunk.skin[:count], trunk.muscle[:count], trunk.cavity[:count], trunk.angle[:count])

    def _neck(self, frame: Frame, lattice: Any, trunk: Trunk) -> list[Paint]:
        """Muscles that close the neck above the lungs' tips: sternomastoid and scalene groups, prevertebral muscle."""
        names, paints = labels(), []
        side = (np.broadcast_to(lattice.x, lattice.shape) > 0).astype(np.uint8)
        z = lattice.z / frame.height
        x = np.abs(lattice.x) / frame.width
        y = lattice.y / frame.depth
        wave = 1.4 * lattice.noise(frame.noise_seed(71), 18.0)
        strap = (np.sqrt(((x - 26 - 0.25 * (z - 150)) / 13) ** 2 + ((y + 32 - 0.1 * (z - 150)) / 7.5) ** 2) - 1) * 8
        scalene = (np.sqrt(((x - 34 + 0.2 * (z - 150)) / 13) ** 2 + ((y - 10) / 13) ** 2) - 1) * 12
        longus = (
            np.sqrt(
                ((x - 11) / 9) ** 2
                + ((y - (frame.spine_y_mm(lattice.z.ravel())[:, None, None] / frame.depth - 13)) / 5.0) ** 2
            )
            - 1
        ) * 5
        for field, start in ((strap, 126.0), (scalene, 142.0), (longus, 100.0)):
            cut = np.maximum(field + wave, (start - z) * frame.height)
            paints.append(
                Paint(
                    lattice.shape_of(np.maximum(cut, trunk.muscle + 1.0)),
                    (Layer((names["neck_muscles_right"], names["neck_muscles_left"])),),
                )
            )
            paints[-1] = Paint(lattice.shape_of(np.maximum(cut, trunk.muscle + 1.0), side), paints[-1].layers)
        return paints

    def _glands(self, frame: Frame, middle: heart.Mediastinum) -> list[Paint]:
        """Thymus remnant, thyroid lobes and a few lymph nodes."""
        names, paints = labels(), []
        rng = self.seed.child("nodes").rng()
        thymus = Ellipsoid(tuple(frame.at([6, -52, 62]).tolist()), (20.0, 6.5, 30.0))
        paints.append(Paint(thymus, (Layer(names["thymus"]),), over=(names["mediastinal_fat"],)))
        for side, sign in (("right", -1), ("left", 1)):
            lobe = Ellipsoid(tuple(frame.at([sign * 17, -16, 182]).tolist()), (8.5, 9.5, 24.0))
            paints.append(Paint(lobe, (Layer(names[f"thyroid_{side}"]),)))
        for centre in middle.lymph_nodes:
            short = float(rng.uniform(1.6, 3.6))
            node = Ellipsoid(centre, (short, short * 1.3, short * 1.7))
            paints.append(Paint(node, (Layer(names["mediastinal_lymph_nodes"]),), over=(names["mediastinal_fat"],)))
        for sign in (-1, 1):
            for _ in range(5):
                base = frame.cavity.point_mm(
                    sign * rng.uniform(78, 96), frame.height * rng.uniform(70, 112), rng.uniform(20, 40)
                )
                short = float(rng.uniform(1.8, 3.8))
                node = Ellipsoid(tuple(base.tolist()), (short, short * 1.4, short * 1.8))
                paints.append(Paint(node, (Layer(names["axillary_lymph_nodes"]),), over=(names["intermuscular_fat"],)))
        return paints

    def _structures(self) -> tuple[Structure, ...]:
        """Return the structures with this individual's mixtures: lung air, marrow mineral, liver and thymus fat."""
        s = self.spec
        tissue, mineral, fat = float(s["lung_tissue"]), float(s["marrow_mineral"]), float(s["liver_fat"])
        # Blood pools in the dependent lung: density rises by about 4 HU per cm towards the back at full inspiration.
        slope = (0.0, 0.4 / (1000 * tissue), 0.0)
        made = []
        for one in structures():
            if one.name.startswith("lobe_"):
                texture = Texture(one.texture.octaves, one.texture.ridges, slope)
                one = replace(one, mixture=(("air", 1 - tissue),), texture=texture)
            elif one.name.endswith("_marrow"):
                share = mineral if one.name.startswith("vertebra") else 0.6 * mineral
                one = replace(one, mixture=tuple((t, share if t == "cortical_bone" else v) for t, v in one.mixture))
            elif one.name == "liver":
                one = replace(one, mixture=(("adipose", fat),))
            elif one.name == "thymus":
                one = replace(one, mixture=(("adipose", float(s["thymus_fat"])),))
            made.append(one)
        return tuple(made)


def mean_spec_vector(specs: list[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    """Return one number of many specs, for population checks."""
    return np.array([float(spec[key]) for spec in specs])
