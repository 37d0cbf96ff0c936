from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medsynth.core.grid import Grid, orientation
from medsynth.core.volume import Volume
from medsynth.export.colours import family, lesion_colour, structure_colours
from medsynth.export.preview import preview, write_preview
from medsynth.export.slices import cuts, outlines, paint, upright, zoom
from medsynth.scene.structure import Code, Structure

BOX_MM = (60.0, 90.0, 120.0)  # x, y, z of the field of view


def marked(letters: str, spacing_kji=(3.0, 1.5, 2.0)) -> Volume:
    """Return a dark volume with bright ends to the left, to anterior and to superior of 1, 1/2 and 1/4 of the range."""
    size = np.abs(np.asarray(orientation(letters)).T @ np.asarray(BOX_MM))
    grid = Grid.centred(tuple(np.rint(size / spacing_kji).astype(int).tolist()), spacing_kji, (3.0, -7.0, 50.0),
                        orientation(letters))
    p = grid.points_mm() - np.array([3.0, -7.0, 50.0])
    array = np.full(grid.shape_kji, -160, np.int16)
    array[p[..., 2] > 50] = -60
    array[p[..., 1] < -38] = 40
    array[p[..., 0] > 24] = 240
    return Volume(array, grid, "HU")


@pytest.mark.parametrize("letters", ["SPL", "IPL", "SAR", "PSL", "LPI"])
def test_every_plane_shows_left_to_the_right_and_head_or_front_on_top(letters):
    image = upright(marked(letters))
    middle = tuple(n // 2 for n in image.grid.shape_kji)
    axial, coronal, sagittal = (np.asarray(paint(cut, (40, 400), (240, 240), labels={}, lesions={}))[..., 0].astype(int)
                                for cut in cuts(image, None, None, middle))
    height, width = axial.shape
    assert axial[height // 2, -2] > 250  # patient's left
    assert axial[height // 2, 1] < 5
    assert 120 < axial[1, width // 2] < 135  # front
    assert axial[-2, width // 2] < 5
    height, width = coronal.shape
    assert coronal[height // 2, -2] > 250
    assert 60 < coronal[1, width // 2] < 70  # head
    assert coronal[-2, width // 2] < 5
    height, width = sagittal.shape
    assert 120 < sagittal[height // 2, 1] < 135  # front at the left edge
    assert 60 < sagittal[1, width // 2] < 70
    assert [cut.edges for cut in cuts(image, None, None, middle)] == [
        ("A", "P", "R", "L"), ("S", "I", "R", "L"), ("S", "I", "A", "P")]


@pytest.mark.parametrize("spacing", [(3.0, 1.5, 2.0), (1.0, 2.9, 0.8), (5.0, 1.0, 1.0)])
def test_a_millimetre_is_as_long_in_every_direction(spacing):
    image = marked("SPL", spacing)
    for cut, (height_mm, width_mm) in zip(cuts(image, None, None, (1, 1, 1)), ((90, 60), (120, 60), (120, 90)),
                                          strict=True):
        picture = paint(cut, (40, 400), (300, 300), labels={}, lesions={})
        assert picture.width / picture.height == pytest.approx(width_mm / height_mm, rel=0.04)
        assert max(picture.size) == 300


def test_outlines_run_along_the_edge_of_each_label():
    mask = np.zeros((40, 50), int)
    y, x = np.mgrid[:40, :50]
    mask[np.hypot(y - 18.0, x - 30.0) < 10] = 7
    mask[0:5, 0:5] = 3  # at the border of the image
    found = dict(outlines(mask, {7: (1, 2, 3), 3: (1, 2, 3), 9: (1, 2, 3)}))
    assert set(found) == {3, 7}
    radii = np.hypot(found[7][:, 0] - 18.0, found[7][:, 1] - 30.0)
    assert 9.0 < radii.min() < radii.max() < 10.6
    assert np.ptp(found[3], axis=0) == pytest.approx([5, 5], abs=0.01)


def test_organs_are_outlined_without_holes_and_specks():
    mask = np.ones((30, 30), int)
    mask[10:13, 10:13] = 2  # a vessel in a lung
    mask[20:22, 5:20] = 3
    found = outlines(mask, {1: (1, 2, 3), 2: (1, 2, 3), 3: (1, 2, 3)}, smallest_px=20.0)
    assert [label for label, _ in found] == [1, 3]


def test_the_outline_of_a_lesion_is_drawn_where_the_lesion_is(axial_case):
    image = Volume(np.full(axial_case.image.array.shape, -1000, np.int16), axial_case.image.grid, "HU")
    index = image.grid.index_kji(axial_case.findings[0].centre_mm)
    cut = cuts(image, None, axial_case.lesions, tuple(np.rint(index).astype(int).tolist()))[0]
    picture = np.asarray(paint(cut, (40, 400), (400, 400), labels={}, lesions={1: lesion_colour(1)}))
    rows, columns = np.nonzero(picture[..., 0] > 60)
    scale = picture.shape[0] / cut.values.shape[0], picture.shape[1] / cut.values.shape[1]
    centre = ((rows.min() + rows.max()) / 2 / scale[0] - 0.5, (columns.min() + columns.max()) / 2 / scale[1] - 0.5)
    assert centre == pytest.approx(index[1:], abs=0.6)


def test_a_zoom_at_the_border_stays_inside_and_keeps_its_lesion():
    image = marked("SPL", (3.0, 1.0, 1.0))
    part = zoom(cuts(image, None, None, (1, 1, 1))[0], (0.0, 59.0), 20.0)
    assert part.values.shape == (21, 21)
    assert part.values[0, -1] == image.array[1, 0, 59]


def test_the_page_has_a_row_per_window_a_legend_and_a_zoom_per_lesion(axial_case, tmp_path):
    c = axial_case
    write_preview(tmp_path / "a.png", c.image, labels=c.organs, structures=c.structures, lesions=c.lesions,
                  findings=c.findings, title="case-00000")
    with Image.open(tmp_path / "a.png") as page:
        page.load()
    bare = preview(c.image)
    assert page.mode == "RGB"
    assert page.height > bare.height  # zooms
    assert page.width > bare.width  # legend
    colours = structure_colours(s.name for s in c.structures)
    legend = np.asarray(page)[:120, bare.width:].reshape(-1, 3).tolist()
    assert list(colours["liver"]) in legend
    assert list(colours["kidney_left"]) in legend
    assert list(colours["absent"]) not in legend


def test_bytes_are_the_same_on_repeat(axial_case, tmp_path):
    c = axial_case
    for name in ("a.png", "b.png"):
        write_preview(tmp_path / name, c.image, labels=c.organs, structures=c.structures, lesions=c.lesions,
                      findings=c.findings)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 30), (2, 3, 2), (200, 3, 3)])
def test_volumes_of_any_shape_have_a_preview(shape, tmp_path):
    for array, quantity in ((np.zeros(shape, np.int16), "HU"), (np.full(shape, 0.1, np.float32), "signal")):
        write_preview(tmp_path / "p.png", Volume(array, Grid(shape, (2.0, 1.0, 1.0)), quantity))
        with Image.open(tmp_path / "p.png") as page:
            assert page.size[0] > 100


def test_forty_lesions_and_oblique_grids_fit_on_the_page(case):
    many = tuple(type(case.findings[0])(**{**{f: getattr(case.findings[0], f) for f in case.findings[0].__slots__},
                                           "number": n}) for n in range(1, 41))
    page = preview(case.image, lesions=case.lesions, findings=many)
    assert page.height < 2000


def test_coverings_are_not_outlined(axial_case):
    fat = (Structure("fat", 7, "adipose", Code("55603005", "Fat")),)
    labels = Volume((axial_case.lesions.array * 7).astype(np.uint16), axial_case.image.grid, "label")
    with_fat = preview(axial_case.image, labels=labels, structures=fat)
    assert with_fat.size == preview(axial_case.image).size  # no legend


def test_families_gather_sides_and_numbers():
    assert family("rib_left_5") == family("rib_right_12") == "rib"
    assert family("vertebra_T10") == "vertebra"
    assert family("left") == "left"


def test_a_body_of_80_structures_has_distinct_colours():
    names = [f"organ{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(80)]
    assert len(set(structure_colours(names).values())) == 80
