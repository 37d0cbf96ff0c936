"""dataset.json: what a dataset is, written once; and the check that a folder holds that dataset and no other."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medsynth.core.errors import DatasetError
from medsynth.core.version import __version__
from medsynth.dataset.folder import canonical_json, write_atomically
from medsynth.dataset.recipe import Recipe
from medsynth.dataset.tables import MODALITIES
from medsynth.scene.body import load_body

HEADER = "dataset.json"
# How many generative models, each trained on the one before, lie between physics and these images: a model trained on
# simulation makes generation 1, one trained on those images generation 2.
ORIGIN: Mapping[str, Any] = {"generation": 0, "made_by": "simulation only"}
_LIBRARIES = ("numpy", "scipy", "numba", "pydicom", "highdicom")
_REVISION = re.compile(r"[0-9a-f]{40,64}")


def open_dataset(out: Path, recipe: Recipe, seed: int, twin: bool) -> str:
    """Write dataset.json, or check that the one that is there is of the same dataset; return the fingerprint."""
    header = build_header(recipe, seed, twin)
    path = out / HEADER
    if path.exists():
        present = read_header(out)
        if present.get("fingerprint") != header["fingerprint"]:
            raise DatasetError(f"{out} holds another dataset ({difference(present, header)}); choose another folder")
    elif any(out.glob("case-*")):
        raise DatasetError(f"{out} holds case folders but no {HEADER}; choose another folder")
    else:
        write_atomically(path, canonical_json(header, indent=1) + "\n")
    return str(header["fingerprint"])


def read_header(out: Path) -> dict[str, Any]:
    """Return what dataset.json of a folder tells."""
    path = out / HEADER
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{out} is no dataset: {HEADER} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DatasetError(f"{path} is no JSON; choose another folder") from error
    if not isinstance(header, dict):
        raise DatasetError(f"{path} is no JSON mapping; choose another folder")
    return header


def build_header(recipe: Recipe, seed: int, twin: bool) -> dict[str, Any]:
    """Return what dataset.json tells; nothing in it depends on the number of cases, of workers or on the time."""
    structures = set(load_body(recipe.phantom.body).structures())
    for protocol in recipe.acquisitions.values():
        structures.update(MODALITIES[str(protocol.modality)].structures())  # type: ignore[attr-defined]
    revision = git_revision(Path(__file__).resolve().parents[2])
    kept = recipe.resolved()
    if recipe.refine is not None:
        kept["refine"] = recipe.refine.as_kept()
    deciding = [recipe.fingerprint(), str(seed), str(twin), __version__]
    return {
        "generator": "medsynth",
        **_origin(recipe),
        "recipe": kept,
        "seed": seed,
        "twin": twin,
        "fingerprint": hashlib.sha256("\n".join(deciding).encode()).hexdigest(),
        "versions": {"medsynth": __version__, "python": platform.python_version(),
                     **{name: version(name) for name in _LIBRARIES}},
        **({} if revision is None else {"revision": revision}),
        "labels": [
            {"name": s.name, "label": s.label, "part_of": s.part_of, "laterality": s.laterality,
             "snomed_code": s.code.value, "snomed_meaning": s.code.meaning}
            for s in sorted(structures, key=lambda s: s.label)
        ],
    }


def _origin(recipe: Recipe) -> Mapping[str, Any]:
    """Return the generation of a recipe's images; single cases that the gate kept unrefined are of generation 0."""
    if recipe.refine is None:
        return ORIGIN
    from medsynth.dataset.refine_part import generation_of
    from medsynth.dataset.refining import made_by

    generation = generation_of(recipe.refine)
    return {"generation": generation, "made_by": made_by(generation)}


def git_revision(checkout: Path) -> str | None:
    """Return the commit of a checkout, as its `.git` folder tells; None where there is none, as of a wheel."""
    git = checkout / ".git"
    try:
        if git.is_file():  # of a worktree: it names the folder
            git = checkout / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if head.startswith("ref:"):
            head = _commit_of(git, head.removeprefix("ref:").strip())
    except OSError:
        return None
    return head if _REVISION.fullmatch(head) else None


def _commit_of(git: Path, reference: str) -> str:
    common = git / "commondir"
    folders = [git] + ([git / common.read_text(encoding="utf-8").strip()] if common.exists() else [])
    for folder in folders:
        if (folder / reference).exists():
            return (folder / reference).read_text(encoding="utf-8").strip()
        if (folder / "packed-refs").exists():
            for line in (folder / "packed-refs").read_text(encoding="utf-8").splitlines():
                if line.endswith(f" {reference}"):
                    return line.split()[0]
    return ""


def difference(there: object, here: Mapping[str, Any], path: str = "") -> str:
    """Return the first place where two headers differ, e.g. `recipe.acquisitions.ct.kvp: 120 there, 100 here`."""
    if isinstance(there, Mapping):
        for key in sorted({*there, *here} - {"fingerprint", "name", "description", "labels", "revision"}):
            old, new = there.get(key), here.get(key)
            if old != new and key == "versions":
                return "made by another version of medsynth or its libraries"
            if old != new and isinstance(old, Mapping) and isinstance(new, Mapping):
                return difference(old, new, f"{path}{key}.")
            if old != new:
                return f"{path}{key}: {old!r} there, {new!r} here"
    return "its dataset.json differs"
