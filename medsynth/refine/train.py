"""Training of the diffusion refiner: every step is a function of the seed and its number, so that a run can resume."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from medsynth.core.errors import expected
from medsynth.core.seed import Seed
from medsynth.core.version import __version__
from medsynth.refine.diffusion import DiffusionRefiner
from medsynth.refine.examples import Example, check_together, spreads, structures_of
from medsynth.refine.flow import TIME_SCALE, noised
from medsynth.refine.network import ModelCard, NetworkShape, build_network, save_model
from medsynth.refine.planes import planes_for
from medsynth.refine.refiner import RefineError
from medsynth.refine.sheet import write_sheet

LESION_SHARE = 0.25  # of the patches are about a lesion, where there is one
CLIP_NORM = 1.0
WARM_UP = 50  # steps until the learning rate is whole


@dataclass(frozen=True)
class TrainingOptions:
    """How a model is trained.

    Attributes
    ----------
    steps, batch, patch : of the optimiser; patches in it; pixels of a patch's side.
    rate : of learning (Adam), falling to a tenth along a cosine.
    average : of the weights, EMA: share of the past in each step.
    every : steps between checkpoints and sample sheets.
    device : "cpu", "cuda" or "auto"; on a GPU in mixed precision.
    """

    steps: int = 2000
    batch: int = 8
    patch: int = 64
    rate: float = 1e-3
    average: float = 0.995
    every: int = 200
    neighbours: int = 1
    shape: NetworkShape = field(default_factory=NetworkShape)
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch", 1), ("every", 1), ("patch", self.shape.multiple)):
            if getattr(self, name) < least:
                raise RefineError(expected(name, getattr(self, name), f">= {least}"))
        if self.patch % self.shape.multiple:
            raise RefineError(expected("patch", self.patch, f"a multiple of {self.shape.multiple}"))


@dataclass(frozen=True)
class Origin:
    """Where the training data come from: see `medsynth.refine.network.ModelCard`."""

    trained_on: tuple[Mapping[str, Any], ...]
    generation: int = 0
    licence: str = "unstated"


def train(examples: Sequence[Example], out: Path, origin: Origin, options: TrainingOptions | None = None, *,
          progress: Callable[[int, float], None] | None = None, stop_after: int | None = None) -> Path:
    """Train a model, or go on with one whose checkpoint lies beside `out`; return its path.

    Parameters
    ----------
    out : ends in .safetensors; the card lies beside it, as do checkpoint and sample sheets while training.
    progress : called with the number of steps done and the mean loss of the last ones.
    stop_after : leave after so many steps in all, with a checkpoint.

    Raises
    ------
    RefineError
        If examples cannot be trained on, or the checkpoint is of another training.
    """
    if out.suffix != ".safetensors":
        raise RefineError(expected("model", str(out), "a path that ends in .safetensors"))
    chosen = options or TrainingOptions()
    check_together(examples)
    run = _Run.begin(examples, origin, chosen, out)
    losses: list[float] = []
    for step in range(run.done, chosen.steps):
        losses.append(run.step(step))
        if (step + 1) % chosen.every == 0 or step + 1 in (chosen.steps, stop_after):
            run.checkpoint(step + 1)
            if progress is not None:
                progress(step + 1, float(np.mean(losses)))
            losses.clear()
            if step + 1 == stop_after:
                return out
    save_model(out, run.averaged, run.card)
    run.checkpoint_path.unlink(missing_ok=True)
    return out


class _Run:
    """A training that is under way: weights, their average, and the optimiser."""

    def __init__(self, examples: Sequence[Example], card: ModelCard, options: TrainingOptions, out: Path) -> None:
        self.examples, self.card, self.options, self.out = examples, card, options, out
        self.device = _device(options.device)
        self.network = _drawn(build_network(card), Seed(options.seed)).to(self.device).train()
        self.averaged = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=options.rate, betas=(0.9, 0.99))
        self.codes = [card.planes.codes(one.truth) for one in examples]
        self.done = 0

    @classmethod
    def begin(cls, examples: Sequence[Example], origin: Origin, options: TrainingOptions, out: Path) -> _Run:
        """Return a fresh run, or one that goes on where its checkpoint ends."""
        first = examples[0]
        planes = planes_for([one.quick for one in examples], [one.residual for one in examples],
                            structures_of(examples), options.neighbours)
        spread, gain = spreads(examples)
        settings = json.loads(json.dumps(asdict(options)))
        card = ModelCard(first.truth.modality, first.spacing_mm, planes, options.shape, spread, gain, origin.trained_on,
                         origin.generation + 1, origin.licence, settings, __version__)
        run = cls(examples, card, options, out)
        if run.checkpoint_path.exists():
            run.resume()
        return run

    @property
    def checkpoint_path(self) -> Path:
        """Where the unfinished training lies."""
        return self.out.with_suffix(".checkpoint.safetensors")

    @property
    def same(self) -> str:
        """What a checkpoint must have in common with this run."""
        return json.dumps(self.card.as_json(), sort_keys=True)

    def step(self, number: int) -> float:
        """Make one step of the optimiser; return its loss."""
        share = min(1.0, (number + 1) / WARM_UP)
        fall = 0.55 + 0.45 * np.cos(np.pi * number / self.options.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = self.options.rate * share * fall
        inputs, targets, noise, time = (torch.from_numpy(part).to(self.device) for part in self._batch(number))
        x, velocity = noised(targets, noise, time)
        with _mixed(self.device):
            found = self.network(torch.cat([x, inputs], dim=1), time * TIME_SCALE)
            loss = torch.nn.functional.mse_loss(found.float(), velocity)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimiser.step()
        keep = min(self.options.average, (number + 1) / (number + 10))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                self.averaged[name].lerp_(value, 1 - keep)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise RefineError(f"the training became unstable at step {number + 1}; choose a lower rate than "
                              f"{self.options.rate:g}")
        return value

    def _batch(self, number: int) -> tuple[NDArray[np.float32], ...]:
        """Return planes, residuals, noise and times of a batch: a function of seed and number."""
        rng = Seed(self.options.seed).child("refine-train", number).rng()
        planes, targets = [], []
        for _ in range(self.options.batch):
            told, wanted = self._patch(rng)
            planes.append(told)
            targets.append(wanted)
        target = np.stack(targets)
        noise = rng.standard_normal(target.shape).astype(np.float32)
        time = rng.uniform(0, 1, len(target)).astype(np.float32)
        return np.stack(planes), target, noise, time

    def _patch(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        which = int(rng.integers(len(self.examples)))
        one, codes, side = self.examples[which], self.codes[which], self.options.patch
        about = rng.uniform() < LESION_SHARE and one.truth.lesions.any()
        where = np.argwhere(one.truth.lesions > 0) if about else None
        shape = one.quick.shape
        k, *corner = (int(n) for n in (where[rng.integers(len(where))] if where is not None
                                       else [rng.integers(n) for n in shape]))
        box = []
        for place, n in zip(corner, shape[1:], strict=True):
            first = min(max(place - int(rng.integers(side)), 0), max(n - side, 0))
            box.append(slice(first, first + side))
        planes = self.card.planes.of(one.quick, codes, one.truth.lesions, k)[:, *box]
        wanted = (one.full[k][*box].astype(np.float32) - one.quick[k][*box].astype(np.float32))
        flip = [slice(None, None, int(rng.choice((-1, 1)))) for _ in range(2)]
        pad = [(0, side - n) for n in wanted.shape]
        return (np.ascontiguousarray(np.pad(planes, [(0, 0), *pad], mode="edge")[:, *flip]),
                np.pad(wanted / self.card.planes.residual_scale, pad, mode="edge")[None, *flip].copy())

    def checkpoint(self, done: int) -> None:
        """Write all that the next steps depend on, and a sheet of samples."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"averaged.{name}": value for name, value in self.averaged.items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
        self.out.parent.mkdir(parents=True, exist_ok=True)
        kept = {name: value.detach().clone().contiguous().cpu() for name, value in tensors.items()}
        temporary = self.checkpoint_path.with_name(f".{self.checkpoint_path.name}.part")
        save_file(kept, temporary, metadata={"same": self.same, "done": str(done)})
        temporary.chmod(0o644)
        temporary.replace(self.checkpoint_path)
        network = build_network(self.card)
        network.load_state_dict({name: value.cpu() for name, value in self.averaged.items()})
        refiner = DiffusionRefiner(self.card, network.eval(), "", patch=self.options.patch)
        write_sheet(self.out.with_suffix(".png"), refiner, self.examples[0])

    def resume(self) -> None:
        """Read a checkpoint back."""
        path = self.checkpoint_path
        try:
            with safe_open(path, framework="pt") as file:
                told = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            if told.get("same") != self.same:
                raise RefineError(f"checkpoint {path} is of another training (data or options differ); remove it to "
                                  "start anew")
            self.network.load_state_dict(_part(tensors, "network."))
            self.averaged = {name: value.to(self.device) for name, value in _part(tensors, "averaged.").items()}
            states: dict[int, dict[str, torch.Tensor]] = {}
            for name, value in _part(tensors, "optimiser.").items():
                index, _, key = name.partition(".")
                states.setdefault(int(index), {})[key] = value
            own = self.optimiser.state_dict()
            self.optimiser.load_state_dict({"state": states, "param_groups": own["param_groups"]})
            self.done = int(told["done"])
        except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
            if isinstance(error, RefineError):
                raise
            raise RefineError(f"checkpoint {path} is damaged ({' '.join(str(error).split())[:120]}); remove it to "
                              "start anew") from error


def _part(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _drawn(network: torch.nn.Module, seed: Seed) -> torch.nn.Module:
    """Draw the weights from a generator of their own; what was made zero stays so."""
    generator = torch.Generator().manual_seed(seed.child("refine-weights").integer())
    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() > 1 and bool(weight.any()):
                torch.nn.init.kaiming_uniform_(weight, a=5**0.5, generator=generator)
            elif weight.dim() == 1 and not bool((weight == 1).all()):
                weight.zero_()
    return network


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise RefineError(expected("device", name, "cpu, auto, or cuda where there is a GPU"))
    return torch.device(name)


@contextlib.contextmanager
def _mixed(device: torch.device) -> Iterator[None]:
    """Work in mixed precision on a GPU (bfloat16 needs no scaling of the loss)."""
    with torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else contextlib.nullcontext():
        yield


