"""A case as DICOM files, made once."""

from pathlib import Path

import pytest

from tests.export.conftest import GRIDS, make_case


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Path:
    """One study: images, segmentation, report."""
    from medsynth.export.dicom.study import write_study

    folder = tmp_path_factory.mktemp("study") / "dicom"
    case = make_case(GRIDS["axial"])
    write_study(folder, case.image, case.scanner, case.study, lesions=case.lesions, findings=case.findings,
                organs=case.organs, structures=case.structures)
    return folder
