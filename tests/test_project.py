"""What holds for the project as a whole: layers, no global random state, and a wheel that has everything."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("medsynth", "phantoms")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# numpy.random names that carry no hidden state
STATELESS = {"Generator", "PCG64", "Philox", "SeedSequence", "BitGenerator", "default_rng"}


def outcome(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def test_imports_only_fall() -> None:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    result = outcome("-c", code)
    assert result.returncode == 0, result.stdout


def test_every_subpackage_has_its_place_in_the_layers() -> None:
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    placed = {name.strip("() ") for layer in layers for name in layer.split("|")}
    present = {f"medsynth.{path.parent.name}" for path in (ROOT / "medsynth").glob("*/__init__.py")}
    present |= {f"medsynth.{path.stem}" for path in (ROOT / "medsynth").glob("*.py") if path.stem != "__init__"}
    assert present - {"medsynth.__main__"} <= placed


def test_no_module_of_medsynth_imports_through_the_package_s_own_face() -> None:
    """`from medsynth import x` inside medsynth ties every layer to the topmost one."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            assert "medsynth" not in names, f"{path.relative_to(ROOT)}:{node.lineno}"  # type: ignore[attr-defined]


def test_no_module_draws_from_a_global_random_stream() -> None:
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                found += [f"{where} imports {a.name}" for a in node.names if a.name in {"random", "secrets"}]
            elif isinstance(node, ast.ImportFrom) and node.module in {"random", "secrets", "numpy.random"}:
                found += [f"{where} imports {a.name}" for a in node.names if a.name not in STATELESS]
            elif isinstance(node, ast.Attribute):
                name = dotted(node)
                if re.fullmatch(r"(np|numpy)\.random\.\w+", name) and node.attr not in STATELESS:
                    found.append(f"{where} uses {name}")
    assert not found, "\n".join(found)


def test_a_generator_is_made_from_a_seed_and_never_from_the_clock() -> None:
    unseeded = [f"{path.relative_to(ROOT)}:{node.lineno}" for path in SOURCES
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] in STATELESS - {"Generator"}
                and not node.args and not node.keywords]
    assert not unseeded


def test_no_file_runs_pickled_code_or_opens_the_network() -> None:
    banned = {"pickle", "dill", "joblib", "shelve", "requests", "urllib", "http", "socket", "ftplib"}
    asked = {"medsynth/export/pacs/stow.py: requests"}  # `medsynth push --stow` is told where to send
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path.relative_to(ROOT)}: {name}" for name in names if name.split(".")[0] in banned]
    assert set(found) <= asked


def test_the_package_imports_without_its_optional_and_slow_parts() -> None:
    slow = "{'torch', 'monai', 'numba', 'matplotlib', 'pydicom', 'highdicom', 'SimpleITK', 'skimage', 'pydantic'}"
    result = outcome("-c", f"import sys, medsynth; print(sorted({slow} & set(sys.modules)))")
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_what_the_licence_and_the_citation_say_agrees_with_the_package() -> None:
    import medsynth

    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {medsynth.__version__}\n" in citation
    assert "license: Apache-2.0\n" in citation
    assert f"## {medsynth.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_no_file_tells_a_package_index_or_a_private_path() -> None:
    telling = re.compile(r"--(extra-)?index-url|--find-links|/opt/(pypi|wheels)|/work/")
    files = [ROOT / name for name in ("pyproject.toml", "constraints.txt", "Makefile", "README.md", "mkdocs.yml")]
    files += [*SOURCES, *(ROOT / "docs").glob("*.md"), ROOT / ".ci" / "run"]
    assert [str(path) for path in files if telling.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_data_file(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    result = outcome("-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    assert result.returncode == 0, result.stderr
    (wheel,) = tmp_path.glob("medsynth_toolkit-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
        (points,) = (archive.read(name).decode() for name in packed if name.endswith("entry_points.txt"))
    wanted = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*")
              if path.is_file() and path.suffix not in {".pyc", ".nbi", ".nbc"}}
    assert wanted <= packed
    assert {"medsynth/py.typed", "phantoms/py.typed", "medsynth/scene/data/bmi.csv"} <= packed
    assert any(name.endswith("licenses/LICENSE") for name in packed)
    assert not [name for name in packed if name.startswith(("tests/", "benchmarks/", "docs/"))]
    assert "medsynth = medsynth.cli:app" in points
    assert "thorax = phantoms.torso:BODY" in points
