"""MONAI dictionary transforms: the scanners for people who have volumes or label maps of their own.

They need MONAI (extra `train`). Each draws from its own random state, as MONAI's do (`set_random_state`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from monai.config.type_definitions import KeysCollection
from monai.transforms.transform import MapTransform, RandomizableTransform
from monai.utils.misc import ensure_tuple_rep

from medsynth.acquire.ct.acquire import acquire_ct
from medsynth.acquire.ct.hu_phantom import checked_hu
from medsynth.acquire.ct.protocol import CtProtocol
from medsynth.acquire.ct.rescan import rescan
from medsynth.acquire.mri.acquire import acquire_mri
from medsynth.acquire.mri.protocol import MriProtocol
from medsynth.core.errors import RecipeError, expected
from medsynth.core.grid import Vector
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.dataset.own_radiograph import Shot, ViewName, projected_masks, take
from medsynth.dataset.parts import checked
from medsynth.dataset.tensor_volumes import as_tensor, as_volume, from_scanner, to_scanner
from medsynth.dataset.tensors import plane_affine
from medsynth.dataset.vary import Vary, checked_vary, replaced, varied
from medsynth.scene.label_map import Content, given, label_phantom, label_structures, scene_around

Dictionary = Mapping[Hashable, Any]


class _Scanner(RandomizableTransform, MapTransform):
    """What the scanners share: keys, a protocol with drawn settings, and one seed per call and key."""

    def __init__(self, keys: KeysCollection, output_keys: KeysCollection | None, prob: float, name: str, protocol: Any,
                 vary: Vary | None, spacing_mm: Vector | None, allow_missing_keys: bool) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.output_keys = ensure_tuple_rep(self.keys if output_keys is None else output_keys, len(self.keys))
        self.name, self.protocol, self.spacing_mm = name, protocol, spacing_mm
        self.vary = checked_vary({f"{name}.{key}": value for key, value in (vary or {}).items()}, {name: protocol})
        self.drawn = Seed(0)

    def randomize(self, data: Any = None) -> None:
        """Draw whether to scan, and the seed of everything that the scan draws."""
        super().randomize(data)
        self.drawn = Seed(int(self.R.randint(2**31 - 1)))

    def _protocol(self, seed: Seed, **own: Any) -> Any:
        """Return the protocol of one image; `own` are settings that its voxels decide, unless somebody named them."""
        protocol = varied(self.protocol, self.name, self.vary, seed=seed.child("vary"))
        given = self.protocol.model_fields_set | {path.split(".")[1] for path in self.vary}
        return replaced(protocol, {key: value for key, value in own.items() if key not in given}, self.name)


class RandSimulateCTd(_Scanner):
    """Scan a volume anew, or a label map for the first time, in CT.

    From a HU volume: other noise, kernel, slice thickness or tube voltage by the fast tier's physics; noise follows
    the dose and the path lengths through this body (`medsynth.acquire.ct.rescan`). From a label map: HU of every
    tissue at the voltage, blur, noise; with `fidelity: physics` through projections and reconstruction.

    Parameters
    ----------
    keys : of the HU volumes, or with `tissues` of the label maps; (1, n, n, n) tensors, any orientation.
    tissues : label -> tissue name or mixture; the keys are then label maps. 0 is air.
    protocol : settings of the scan, e.g. `{"kvp": 100, "kernel": "soft"}`; the slice thickness is the voxels' where
        nothing is said.
    vary : settings to draw for every image, (low, high) or a list, e.g. `{"mas": (10.0, 100.0)}`.
    source : settings of the volumes' own scan, so that its noise and blur are not done twice; None takes a volume as
        the body itself.
    air : whether a volume must hold air, by which wrong units are noticed.
    output_keys : where images go; in place of the keys when left out.
    prob : of doing anything at all.
    spacing_mm : along the axes, for arrays without affine.

    Raises
    ------
    RecipeError
        One line: NaN, wrong units, an unknown tissue, a label without one, a setting that cannot be.
    """

    def __init__(self, keys: KeysCollection, *, tissues: Mapping[int, Content] | None = None,
                 protocol: Mapping[str, Any] | None = None, vary: Vary | None = None,
                 source: Mapping[str, Any] | None = None, air: bool = True, output_keys: KeysCollection | None = None,
                 prob: float = 1.0, spacing_mm: Vector | None = None, allow_missing_keys: bool = False) -> None:
        settings = {"table": False, **(protocol or {})}
        super().__init__(keys, output_keys, prob, "ct", checked(CtProtocol, settings, ("protocol",)), vary, spacing_mm,
                         allow_missing_keys)
        self.structures = None if tissues is None else label_structures(tissues)
        self.source = None if source is None else checked(CtProtocol, dict(source), ("source",))
        self.air = air

    def __call__(self, data: Dictionary) -> dict[Hashable, Any]:
        """Return the dictionary with the scans."""
        found = dict(data)
        self.randomize()
        if not self._do_transform:
            return found
        for key, output in self.key_iterator(found, self.output_keys):
            own = as_volume(found[key], str(key), self.spacing_mm, "HU")
            image = self._scan(to_scanner(own), str(key), self.drawn.child(str(key)))
            found[output] = as_tensor(from_scanner(image, own).array[None].astype(np.float32), None, found[key])
        return found

    def _scan(self, volume: Volume, key: str, seed: Seed) -> Volume:
        step_mm = volume.grid.spacing_mm[0]
        protocol = self._protocol(seed, slice_thickness_mm=step_mm)
        if self.structures is None:
            checked_hu(volume.array, repr(key), air=self.air)
            source = self.source
            if source is not None and "slice_thickness_mm" not in source.model_fields_set:
                source = replaced(source, {"slice_thickness_mm": step_mm}, "source")
            return rescan(volume, source, protocol, seed=seed)
        phantom = label_phantom(volume, self.structures)
        scene = scene_around(phantom, protocol.scan_range)
        return acquire_ct(scene, (), protocol, seed=seed, voxelise=given(phantom)).image


class RandSimulateMRd(_Scanner):
    """Scan a label map in MR: signals of tissues by a sequence's equations, or a random contrast, with noise and blur.

    Parameters
    ----------
    keys : of the label maps; (1, n, n, n) tensors, any orientation.
    tissues : label -> tissue name or mixture; 0 is air.
    contrast : without `protocol`: "physical" draws sequence, times and field anew for every image, "gaussian" a mean
        and a spread per tissue with a bias field and a resolution, as SynthSeg does.
    protocol : settings of a scan, e.g. `{"preset": "brain_t1w_mprage_3t"}`; voxels are the map's own.
    vary : settings to draw for every image, e.g. `{"te_ms": (80.0, 110.0)}`.
    output_keys, prob, spacing_mm : as for `RandSimulateCTd`.

    Raises
    ------
    RecipeError
        One line: an unknown tissue, a label without one, a setting that cannot be.
    """

    def __init__(self, keys: KeysCollection, *, tissues: Mapping[int, Content],
                 contrast: Literal["physical", "gaussian"] = "physical", protocol: Mapping[str, Any] | None = None,
                 vary: Vary | None = None, output_keys: KeysCollection | None = None, prob: float = 1.0,
                 spacing_mm: Vector | None = None, allow_missing_keys: bool = False) -> None:
        if contrast not in ("physical", "gaussian"):
            raise RecipeError(expected("contrast", contrast, "'physical' or 'gaussian'"))
        settings = dict(protocol) if protocol is not None else {"sequence": "random", "dimensions": 3,
                                                                "random": {"mode": contrast}}
        super().__init__(keys, output_keys, prob, "mri", checked(MriProtocol, settings, ("protocol",)), vary,
                         spacing_mm, allow_missing_keys)
        self.structures = label_structures(tissues)

    def __call__(self, data: Dictionary) -> dict[Hashable, Any]:
        """Return the dictionary with the scans."""
        found = dict(data)
        self.randomize()
        if not self._do_transform:
            return found
        for key, output in self.key_iterator(found, self.output_keys):
            own = as_volume(found[key], str(key), self.spacing_mm, "label")
            seed = self.drawn.child(str(key))
            phantom = label_phantom(to_scanner(own), self.structures)
            step, _, pixel = phantom.grid.spacing_mm
            protocol = replaced(self._protocol(seed), {"pixel_mm": pixel, "slice_thickness_mm": step,
                                                       "slice_gap_mm": 0.0, "preset": None}, "mri")
            scene = scene_around(phantom, protocol.scan_range, seed=seed.child("person").integer(31))
            image = acquire_mri(scene, (), protocol, seed=seed, voxelise=given(phantom)).image
            found[output] = as_tensor(from_scanner(image, own).array[None].astype(np.float32), None, found[key])
        return found


class RandSimulateXRayd(_Scanner):
    """Make a radiograph of a CT volume: HU to basis materials, a point source, scatter, grid, detector, processing.

    The result is (1, rows, columns) in P-values, thin is dark, hung as radiologists look at it. What lies above and
    below the volume is air to the beam.

    Parameters
    ----------
    keys : of the HU volumes; (1, n, n, n) tensors, any orientation.
    view : "pa", "ap" or "lateral" (left side at the detector).
    turn_deg, tilt_deg : ranges of the body's turn about its long axis, and of the beam's rise, drawn for every image.
    protocol : settings of the radiograph, e.g. `{"kvp": 125, "look": "standard"}`.
    vary : settings to draw for every image, e.g. `{"kvp": (90.0, 125.0)}`.
    pixel_mm, field_mm, sid_mm : pixels, height and width of the image, and the source's distance; left out, the field
        holds the volume.
    ct_kvp : tube voltage of the volumes.
    mask_keys : of label maps on the volumes' voxels; each becomes (label, rows, columns) uint8, the shadow of every one
        of `mask_labels`.
    air, output_keys, prob, spacing_mm : as for `RandSimulateCTd`.

    Raises
    ------
    RecipeError, GeometryError
        One line: NaN, wrong units, a setting or a geometry that cannot be.
    """

    def __init__(self, keys: KeysCollection, *, view: ViewName = "pa",
                 turn_deg: tuple[float, float] = (-5.0, 5.0), tilt_deg: tuple[float, float] = (-3.0, 3.0),
                 protocol: Mapping[str, Any] | None = None, vary: Vary | None = None, pixel_mm: float = 1.0,
                 field_mm: tuple[float, float] | None = None, sid_mm: float = 1800.0, ct_kvp: float = 120.0,
                 mask_keys: Sequence[str] = (), mask_labels: Sequence[int] = (1,), air: bool = True,
                 output_keys: KeysCollection | None = None, prob: float = 1.0, spacing_mm: Vector | None = None,
                 allow_missing_keys: bool = False) -> None:
        self.shot = Shot(view, turn_deg, tilt_deg, pixel_mm, field_mm, sid_mm, ct_kvp)
        super().__init__(keys, output_keys, prob, "xray", self.shot.protocol(protocol or {}), vary, spacing_mm,
                         allow_missing_keys)
        self.mask_keys, self.mask_labels, self.air = tuple(mask_keys), tuple(mask_labels), air
        if self.mask_keys and len(self.keys) != 1:
            raise RecipeError(expected("keys", self.keys, "one key where mask_keys are given"))

    def __call__(self, data: Dictionary) -> dict[Hashable, Any]:
        """Return the dictionary with the radiographs."""
        found = dict(data)
        self.randomize()
        if not self._do_transform:
            return found
        for key, output in self.key_iterator(found, self.output_keys):
            like = found[key]
            volume = to_scanner(as_volume(like, str(key), self.spacing_mm, "HU"))
            checked_hu(volume.array, repr(str(key)), air=self.air)
            seed = self.drawn.child(str(key))
            image, geometry = take(volume, self.shot, self._protocol(seed), seed=seed)
            affine = plane_affine(image.grid)
            for mask in self.mask_keys:
                labels = to_scanner(as_volume(found[mask], mask, self.spacing_mm, "label"))
                found[mask] = as_tensor(projected_masks(labels, geometry, self.mask_labels), affine, found[mask])
            found[output] = as_tensor(image.array.astype(np.float32), affine, like)
        return found

