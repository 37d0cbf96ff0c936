"""croissant.json: the dataset's description for programs (MLCommons Croissant 1.0), written by template."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medsynth.dataset.card import Tally
from medsynth.dataset.folder import canonical_json, write_atomically
from medsynth.dataset.header import HEADER
from medsynth.dataset.journal import MANIFEST

CROISSANT = "croissant.json"
# The context that the format's specification prescribes, word by word.
_CONTEXT: Mapping[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/", "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract",
    "field": "cr:field", "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject", "fileSet": "cr:fileSet",
    "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath",
    "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform",
}
_FIELDS = (("id", "sc:Text", "id", "Folder of the case"), ("index", "sc:Integer", "index", "Number of the case"),
           ("sex", "sc:Text", "subject.sex", "Sex of the subject"),
           ("age_years", "sc:Float", "subject.age_years", "Age of the subject"),
           ("height_cm", "sc:Float", "subject.height_cm", "Height of the subject"),
           ("weight_kg", "sc:Float", "subject.weight_kg", "Weight of the subject"),
           ("generation", "sc:Integer", "generation", "Generative models between physics and the images"))
_SETS = {"nifti": ("application/gzip", "case-*/*.nii.gz"), "dicom": ("application/dicom", "case-*/dicom/*/*.dcm"),
         "png": ("image/png", "case-*/*.png")}


def write_croissant(out: Path, header: Mapping[str, Any], tally: Tally) -> None:
    """Write croissant.json; it depends on the finished cases alone."""
    write_atomically(out / CROISSANT, canonical_json(croissant(out, header, tally), indent=1) + "\n")


def croissant(out: Path, header: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    """Return the description."""
    recipe = header["recipe"]
    files = [_file(out, MANIFEST, "application/jsonlines", "One line a case"),
             _file(out, HEADER, "application/json", "Recipe, seed, versions and label table")]
    sets = [{"@type": "cr:FileSet", "@id": name, "name": name, "encodingFormat": _SETS[name][0],
             "includes": _SETS[name][1], "description": f"The images and masks as {name}"}
            for name in recipe["formats"] if name in _SETS]
    sets.append({"@type": "cr:FileSet", "@id": "annotations", "name": "annotations",
                 "encodingFormat": "application/json", "includes": "case-*/annotations.json",
                 "description": "What is true of each case"})
    fields = list(_FIELDS)
    if "split" in tally.groups:
        fields.append(("split", "sc:Text", "split", "Split of the subject"))
    return {
        "@context": _CONTEXT, "@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": recipe["name"],
        "description": f"{recipe.get('description') or recipe['name']}. {tally.cases} synthetic cases made by "
                       f"medsynth, {header['made_by']} (generation {header['generation']}); nobody was scanned.",
        "version": f"{header['versions']['medsynth']}+{header['fingerprint'][:12]}",
        "url": "./", "isLiveDataset": False,
        "rai:dataCollection": "Computed from anatomical models and simulated physics",
        "rai:personalSensitiveInformation": "None: there are no patients",
        "distribution": files + sets,
        "recordSet": [{
            "@type": "cr:RecordSet", "@id": "cases", "name": "cases", "description": "One record a case",
            "key": {"@id": "cases/id"},
            "field": [{"@type": "cr:Field", "@id": f"cases/{name}", "name": name, "description": words,
                       "dataType": kind, "source": _source(path)}
                      for name, kind, path, words in fields]}],
    }


def _source(path: str) -> dict[str, Any]:
    """Return where a field of the manifest's lines is, e.g. `subject.sex`."""
    column, _, inner = path.partition(".")
    source: dict[str, Any] = {"fileObject": {"@id": MANIFEST}, "extract": {"column": column}}
    return source | ({"transform": {"jsonPath": f"$.{inner}"}} if inner else {})


def _file(out: Path, name: str, encoding: str, words: str) -> dict[str, Any]:
    with (out / name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"@type": "cr:FileObject", "@id": name, "name": name, "description": words, "contentUrl": name,
            "encodingFormat": encoding, "sha256": digest}
