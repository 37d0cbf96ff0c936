"""A phantom that looks different from every side, and the third-party programs that read it back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from medsynth.core.findings import Finding
from medsynth.core.grid import Grid, Matrix3, orientation
from medsynth.core.scanner import ScannerRecord
from medsynth.core.seed import Seed
from medsynth.core.volume import Volume
from medsynth.export.dicom.identity import StudyInfo, study_info
from medsynth.scene.structure import Code, Structure
from medsynth.scene.subject import Subject

MARK_OFFSET_MM = {"L": (4.1, 0.0, 0.0), "A": (0.0, -4.2, 0.0), "S": (0.0, 0.0, 7.3)}  # from the middle, LPS
MARK_VALUE = {"L": 900.0, "A": 1500.0, "S": 2100.0}
MARK_RADIUS_MM = 3.07


def oblique() -> Matrix3:
    """Return the axial frame turned by 20 degrees about x and 35 degrees about z."""
    a, b = np.deg2rad([20.0, 35.0])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return tuple(tuple(row) for row in (about_z @ about_x @ np.asarray(orientation("SPL"))).tolist())


CENTRE_MM = (-31.7, 12.345678, 104.2)
GRIDS = {
    "axial": Grid.centred((9, 17, 22), (2.5, 0.9, 0.7), CENTRE_MM),
    "head_to_feet": Grid.centred((8, 17, 21), (2.5, 0.9, 0.7), CENTRE_MM, orientation("IPL")),
    "coronal": Grid.centred((15, 13, 20), (1.1, 2.3, 0.8), CENTRE_MM, orientation("AIL")),
    "oblique": Grid.centred((9, 17, 22), (2.5, 0.9, 0.7), CENTRE_MM, oblique()),
}


def value_at(points_mm: np.ndarray) -> np.ndarray:
    """Return the phantom's value at LPS points (..., 3): a slope that differs along x, y and z, and three balls."""
    p = points_mm - np.asarray(CENTRE_MM)
    value = 11.0 * p[..., 0] + 5.0 * p[..., 1] + 3.0 * p[..., 2]
    for name, offset in MARK_OFFSET_MM.items():
        value = np.where(np.linalg.norm(p - offset, axis=-1) < MARK_RADIUS_MM, MARK_VALUE[name], value)
    return np.rint(value)


def label_at(points_mm: np.ndarray) -> np.ndarray:
    """Return the label at LPS points (..., 3): 1, 2, 3 in the balls at L, A and S, 0 elsewhere."""
    label = np.zeros(points_mm.shape[:-1], int)
    for number, offset in enumerate(MARK_OFFSET_MM.values(), start=1):
        label[np.linalg.norm(points_mm - np.asarray(CENTRE_MM) - offset, axis=-1) < MARK_RADIUS_MM] = number
    return label


@dataclass(frozen=True)
class Case:
    image: Volume
    lesions: Volume
    organs: Volume
    structures: tuple[Structure, ...]
    findings: tuple[Finding, ...]
    scanner: ScannerRecord
    study: StudyInfo


def make_case(grid: Grid) -> Case:
    points = grid.points_mm()
    labels = label_at(points)
    findings = tuple(
        Finding(number, "lung_nodule", ("427359005", "Solitary nodule of lung"), "lung_upper_lobe_left",
                ("45653009", "Structure of upper lobe of lung"), "left", 0.1234 * number, 6.14, 5.98, 6.06,
                tuple((np.asarray(CENTRE_MM) + offset).tolist()), ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
                mean_hu=-31.25, sd_hu=12.5, contrast_hu=801.0,
                attributes={"texture": "part-solid", "spiculation": 3, "calcified": False,
                            "internal_structure_of_the_nodule": "héterogène, of more than sixteen letters"})
        for number, offset in enumerate(MARK_OFFSET_MM.values(), start=1))
    structures = (Structure("liver", 7, "liver", Code("10200004", "Liver structure")),
                  Structure("kidney_left", 300, "kidney", Code("64033007", "Kidney structure"), "left"),
                  Structure("kidney_right", 301, "kidney", Code("64033007", "Kidney structure"), "right"),
                  Structure("absent", 900, "muscle", Code("71616004", "Skeletal muscle structure")))
    scanner = ScannerRecord("CT", "Chest 2.5 mm STANDARD",
                            {"KVP": 120.0, "XRayTubeCurrent": 180, "SliceThickness": 2.5, "BodyPartExamined": "CHEST",
                             "ConvolutionKernel": "STANDARD", "ReconstructionDiameter": 1 / 3}, (40.0, 400.0))
    return Case(Volume(value_at(points).astype(np.int16), grid, "HU"), Volume(labels.astype(np.uint8), grid, "label"),
                Volume(np.array([0, 7, 300, 301], np.uint16)[labels], grid, "label"), structures, findings, scanner,
                study_info(Subject("female", 63.4, 164.2, 66.123), Seed(7).child("case", 0)))


@pytest.fixture(params=sorted(GRIDS))
def case(request: pytest.FixtureRequest) -> Case:
    return make_case(GRIDS[request.param])


@pytest.fixture
def axial_case() -> Case:
    return make_case(GRIDS["axial"])


@pytest.fixture(scope="session")
def tool() -> Callable[..., str]:
    """Run a program of the test extra and return what it printed; a missing one is an error, never a skip."""

    def run(name: str, *arguments: object) -> str:
        command = [str(Path(sys.executable).parent / name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return run


@pytest.fixture(scope="session")
def phantom_value() -> Callable[[np.ndarray], np.ndarray]:
    return value_at


@pytest.fixture(scope="session")
def phantom_label() -> Callable[[np.ndarray], np.ndarray]:
    return label_at


@pytest.fixture(scope="session")
def lps_points() -> Callable[[tuple[int, ...], np.ndarray], np.ndarray]:
    """Return the LPS positions (i, j, k, 3) of an array indexed [i, j, k] from its affine to LPS."""

    def points(shape_ijk: tuple[int, ...], affine_lps: np.ndarray) -> np.ndarray:
        index = np.moveaxis(np.indices(shape_ijk), 0, -1)
        return index @ affine_lps[:3, :3].T + affine_lps[:3, 3]

    return points
