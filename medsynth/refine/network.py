"""The network and its file: safetensors with a model card beside it; nothing in a file is ever executed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth.core.errors import expected
from medsynth.refine.planes import Planes
from medsynth.refine.refiner import RefineError

if TYPE_CHECKING:
    import torch

FORMAT = 1  # of model files
LARGEST_CARD_BYTES = 10_000_000
LARGEST_CHANNELS = 1024
MOST_NEIGHBOURS = 8  # slices on either side
GROUPS = 8  # of the norms; each number of channels is a multiple
INSTALL = "needs torch, monai, einops and safetensors: pip install medsynth-toolkit[diffusion]"


@dataclass(frozen=True)
class NetworkShape:
    """A U-Net: channels by level, residual blocks at each."""

    channels: tuple[int, ...] = (16, 32, 32)
    blocks: int = 1

    def __post_init__(self) -> None:
        numbers: tuple[object, ...] = (*self.channels, self.blocks)  # of a file, they may be anything
        good = all(type(n) is int for n in numbers) and 1 <= len(self.channels) <= 6 and 1 <= self.blocks <= 8 and all(
            0 < c <= LARGEST_CHANNELS and c % GROUPS == 0 for c in self.channels)
        if not good:
            raise RefineError(expected("network", [list(self.channels), self.blocks],
                                       f"1 to 6 levels of multiples of {GROUPS} channels, and 1 to 8 blocks"))

    @property
    def multiple(self) -> int:
        """What the sides of a patch are multiples of."""
        return int(2 ** (len(self.channels) - 1))


@dataclass(frozen=True)
class ModelCard:
    """What a model is and what it was made of.

    Attributes
    ----------
    modality, spacing_mm : of its images, as DICOM names the modality; (k, j, i).
    trained_on : what each training set was: kind, where from, number of images, hash of its manifest.
    generation : 1 + the largest of the training data.
    spread, noise_gain : by structure, `""` for those too small to tell (see `medsynth.refine.refiner.Refiner`).
    licence : of the weights, as their maker says.
    settings : of the training.
    """

    modality: str
    spacing_mm: tuple[float, float, float]
    planes: Planes
    shape: NetworkShape
    spread: Mapping[str, float]
    noise_gain: Mapping[str, float]
    trained_on: tuple[Mapping[str, Any], ...]
    generation: int
    licence: str = "unstated"
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"format": FORMAT, **json.loads(json.dumps(asdict(self)))}


def card_of(data: object, source: str) -> ModelCard:
    """Return the card of JSON values.

    Raises
    ------
    RefineError
        If it is none, or of another format.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        got = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise RefineError(expected(f"format of model {source}", got, f"{FORMAT}: models of another version of medsynth "
                                   "must be trained again"))
    values = {key: value for key, value in data.items() if key != "format"}
    try:
        planes = Planes(**{**values["planes"], "structures": tuple(str(s) for s in values["planes"]["structures"])})
        shape = NetworkShape(tuple(values["shape"]["channels"]), values["shape"]["blocks"])
        k, j, i = (float(step) for step in values["spacing_mm"])
        card = ModelCard(**{**values, "planes": planes, "shape": shape, "spacing_mm": (k, j, i),
                            "trained_on": tuple(values["trained_on"])})
        _check_numbers(card)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RefineError(f"model {source} has no usable card: {type(error).__name__}: {error}") from error
    return card


def _check_numbers(card: ModelCard) -> None:
    """Raise ValueError unless the numbers of a card are finite, and whole where they count."""
    planes = card.planes
    numbers: tuple[object, ...] = (planes.centre, planes.scale, planes.residual_scale, *card.spread.values(),
                                   *card.noise_gain.values(), *card.spacing_mm)
    if not all(isinstance(n, int | float) and abs(n) < 1e9 for n in numbers):
        raise ValueError("its numbers are not finite")
    whole: tuple[object, ...] = (card.generation, planes.neighbours)
    if not all(type(n) is int for n in whole) or not 0 <= planes.neighbours <= MOST_NEIGHBOURS:
        raise ValueError("its generation or neighbours are no whole numbers")


def build_network(card: ModelCard) -> torch.nn.Module:
    """Return the network of a card, its weights as they were drawn."""
    try:
        import torch
        from monai.networks.nets import DiffusionModelUNet  # type: ignore[attr-defined]
    except ImportError as error:
        raise RefineError(f"the diffusion refiner {INSTALL} ({error})") from error
    torch.set_num_threads(1)  # sums of convolutions depend on how they are shared out: the bytes shall not
    channels = card.shape.channels
    return DiffusionModelUNet(
        spatial_dims=2, in_channels=1 + card.planes.count, out_channels=1, channels=channels,
        num_res_blocks=(card.shape.blocks,) * len(channels), attention_levels=(False,) * len(channels),
        norm_num_groups=GROUPS, num_head_channels=GROUPS)


def card_path(model: Path) -> Path:
    """Return where the card of a model lies: beside it."""
    return model.with_suffix(".json")


def save_model(path: Path, weights: Mapping[str, torch.Tensor], card: ModelCard) -> None:
    """Write weights and card; the card lies in the weights' file, too, and that one counts."""
    from safetensors.torch import save_file

    text = json.dumps(card.as_json(), indent=1, sort_keys=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {name: tensor.detach().contiguous().cpu() for name, tensor in sorted(weights.items())}
    temporary = path.with_name(f".{path.name}.part")
    save_file(kept, temporary, metadata={"medsynth": text})
    temporary.chmod(0o644)
    temporary.replace(path)
    card_path(path).write_text(text + "\n", encoding="utf-8")


def read_card(path: Path) -> ModelCard:
    """Return the card in a model's file; needs no torch and loads no weights.

    Raises
    ------
    RefineError
        If it is no model of medsynth.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 2 <= size <= LARGEST_CARD_BYTES:
                raise ValueError("it is no safetensors file")
            head = json.loads(file.read(size).decode("utf-8"))
        text = head["__metadata__"]["medsynth"]
        data = json.loads(text)
    except OSError as error:
        raise RefineError(f"model {path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RefineError(expected("model", str(path), "a safetensors file that medsynth refine train wrote "
                                   "(pickles and other checkpoints are not opened)")) from error
    return card_of(data, str(path))


def load_weights(path: Path, card: ModelCard) -> torch.nn.Module:
    """Return the network of a file with its weights.

    Raises
    ------
    RefineError
        If the weights are damaged, not finite, or not those of the card's network.
    """
    network = build_network(card)
    try:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise RefineError(f"the diffusion refiner {INSTALL} ({error})") from error
    try:
        weights = load_file(path)
        network.load_state_dict(weights)
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        line = " ".join(str(error).split())[:160]
        raise RefineError(f"model {path} does not hold the weights of its card: {line}") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values()):
        raise RefineError(f"model {path} holds weights that are not finite")
    return network.eval()


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RefineError(f"model {path} cannot be read: {error.strerror}") from error
