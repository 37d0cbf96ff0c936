"""The data card: README.md of a dataset, counted from its manifest. It says what is there, and what it is not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medsynth.dataset.folder import write_atomically

CARD = "README.md"
_MARK = "<!-- written by medsynth from the manifest; renewed at the end of every run -->"
_BARS = 10


class Range:
    """Count, mean and limits of numbers that come one by one."""

    def __init__(self) -> None:
        self.count, self.total, self.low, self.high = 0, 0.0, float("inf"), float("-inf")

    def add(self, value: float) -> None:
        """Take one number more."""
        self.count, self.total = self.count + 1, self.total + value
        self.low, self.high = min(self.low, value), max(self.high, value)

    def __str__(self) -> str:
        """Give the range in words."""
        return f"{self.low:.3g} to {self.high:.3g}, mean {self.total / self.count:.3g}" if self.count else "none"


class Tally:
    """What a dataset holds, counted record by record; a few numbers, however many cases there are."""

    def __init__(self) -> None:
        self.cases = self.refined = 0
        self.sexes: Counter[str] = Counter()
        self.subject: defaultdict[str, Range] = defaultdict(Range)
        self.lesions: Counter[str] = Counter()
        self.lesions_per_case: Counter[int] = Counter()
        self.volume_ml: defaultdict[str, Range] = defaultdict(Range)
        self.groups: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.values: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.ranges: defaultdict[str, Range] = defaultdict(Range)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one case."""
        self.cases += 1
        self.refined += record.get("generation", 0) > 0
        subject = record["subject"]
        self.sexes[subject["sex"]] += 1
        for name in ("age_years", "height_cm", "weight_kg", "bmi"):
            self.subject[name].add(subject[name])
        findings = record["findings"]
        self.lesions_per_case[len(findings)] += 1
        for finding in findings:
            kind = f"{finding['kind']}, {finding.get('class', '')}".rstrip(", ")
            self.lesions[kind] += 1
            self.volume_ml[kind].add(finding["true_volume_ml"] if "true_volume_ml" in finding else finding["volume_ml"])
        self._add_design(record.get("design") or {})

    def _add_design(self, design: Mapping[str, Any]) -> None:
        for kind in ("split", "class"):
            if kind in design:
                self.groups[kind][str(design[kind])] += 1
        for quota in design.get("quotas", []):
            self.groups["quota"][quota] += 1
        for path, value in design.get("values", {}).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                self.ranges[path].add(value)
            if len(self.values[path]) <= _BARS or str(value) in self.values[path]:
                self.values[path][str(value)] += 1


def write_card(out: Path, header: Mapping[str, Any], tally: Tally) -> None:
    """Write README.md, unless a person wrote one."""
    path = out / CARD
    if path.exists() and _MARK not in path.read_text(encoding="utf-8", errors="replace"):
        return
    write_atomically(path, "\n".join(card(header, tally)) + "\n")


def card(header: Mapping[str, Any], tally: Tally) -> Iterator[str]:
    """Give the lines of a dataset's card."""
    recipe = header["recipe"]
    yield from (_MARK, f"# {recipe['name']}", "")
    if recipe.get("description"):
        yield from (recipe["description"], "")
    yield from (f"{tally.cases} synthetic cases. **Nobody was scanned**: bodies are built from numbers and equations, "
                "images are simulated by physics, labels are known and not drawn by a person.", "",
                "| | |", "|---|---|",
                f"| made by | medsynth {header['versions']['medsynth']}{_revision(header)}, {header['made_by']} |",
                f"| generation | {header['generation']}: generative models between physics and these images |",
                *_refined(header, tally), f"| seed | {header['seed']} |",
                f"| fingerprint | `{header['fingerprint']}` |",
                f"| body | {recipe['phantom']['body']} |",
                f"| formats | {', '.join(recipe['formats'])} |",
                f"| lesion-free twins | {'yes' if header['twin'] else 'no'} |", "")
    yield from _subjects(tally)
    yield from _lesions(tally)
    yield from _images(recipe)
    yield from _groups(tally)
    yield from _limits(header)


def _refined(header: Mapping[str, Any], tally: Tally) -> Iterator[str]:
    part = header["recipe"].get("refine")
    if part is not None:
        yield (f"| refined | {tally.refined} of {tally.cases} cases, by a {part['refiner']} refiner at strength "
               f"{part['strength']:g} at most; the others stayed as the physics made them |")


def _revision(header: Mapping[str, Any]) -> str:
    return f" (revision {header['revision'][:12]})" if "revision" in header else ""


def _subjects(tally: Tally) -> Iterator[str]:
    if not tally.cases:
        return
    yield from ("## Subjects", "", "One adult a case; no subject is in two cases.", "", "| | |", "|---|---|",
                f"| sex | {', '.join(f'{count} {sex}' for sex, count in sorted(tally.sexes.items()))} |")
    for name, numbers in tally.subject.items():
        yield f"| {name} | {numbers} |"
    yield ""


def _lesions(tally: Tally) -> Iterator[str]:
    yield from ("## Lesions", "")
    if not tally.lesions:
        yield from ("None.", "")
        return
    yield from (f"{sum(tally.lesions.values())} lesions; "
                f"{tally.lesions_per_case[0]} of {tally.cases} cases have none.", "",
                "| kind | lesions | volume in ml |", "|---|---|---|")
    for kind, count in sorted(tally.lesions.items()):
        yield f"| {kind} | {count} | {tally.volume_ml[kind]} |"
    yield ""


def _images(recipe: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Images", "", "| acquisition | modality | settings |", "|---|---|---|")
    for name, protocol in recipe["acquisitions"].items():
        plain = [f"{key} {value}" for key, value in protocol.items()
                 if isinstance(value, int | float | str) and not isinstance(value, bool) and key != "modality"]
        yield f"| {name} | {protocol['modality']} | {', '.join(plain[:8])} |"
    yield from ("", "Every setting stands in `dataset.json`; those of each case in its `annotations.json`.", "")


def _groups(tally: Tally) -> Iterator[str]:
    if not tally.groups and not tally.values:
        return
    yield from ("## Design", "", "| | | cases |", "|---|---|---|")
    for kind, counts in tally.groups.items():
        for name, count in sorted(counts.items()):
            yield f"| {kind} | {name} | {count} |"
    for path, counts in sorted(tally.values.items()):
        if len(counts) <= _BARS:
            for value, count in sorted(counts.items()):
                yield f"| {path} | {value} | {count} |"
        else:
            yield f"| {path} | {tally.ranges.get(path, 'many values')} | {tally.cases} |"
    yield ""


def _limits(header: Mapping[str, Any]) -> Iterator[str]:
    yield from ("## Use and limits", "",
                "- For training, testing and teaching. What works here is not thereby shown to work on patients.",
                "- What is true of a case is in its `annotations.json`; measured on the model, not on the image.",
                "- There is no personal data: identities and dates in DICOM files are invented from the seed.",
                f"- {len(header['labels'])} structures are labelled; their numbers, names and SNOMED CT codes stand in "
                "`dataset.json`.",
                "- `medsynth validate` checks hashes, geometry, labels and annotations of this folder.")
