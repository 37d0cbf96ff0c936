"""Training straight from the generator: PyTorch data sets of images that are made when they are asked for.

With `medsynth.dataset.transforms` and the refiner the only place that imports torch; MONAI is used where it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numba
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler, get_worker_info

from medsynth.core.errors import RecipeError, expected
from medsynth.dataset.classes import checked_classes
from medsynth.dataset.items import ItemMaker
from medsynth.dataset.recipe import Recipe, check_whole, load_recipe
from medsynth.dataset.reuse import Reuse
from medsynth.dataset.sharding import shard_numbers
from medsynth.dataset.tables import MODALITIES
from medsynth.dataset.tensors import to_dictionary
from medsynth.dataset.vary import Vary
from medsynth.scene.body import load_body

# With an endless stream every epoch begins this many images further on.
EPOCH_STRIDE = 1 << 40


class _Source:
    """What both kinds of data set share: items as dictionaries, and an epoch that worker processes see change."""

    def __init__(self, recipe: Recipe | str | Path | Mapping[str, Any], seed: int, *,
                 acquisition: str | Sequence[str] | None, classes: Mapping[str, str | Sequence[str]] | None,
                 reuse: Reuse | None, vary: Vary | None, resample: bool, orientation: str | None,
                 meta: bool | None, transform: Callable[[dict[str, Any]], Any] | None) -> None:
        checked = load_recipe(recipe)
        names = acquisition
        if names is None:
            names = next(iter(checked.acquisitions))
        self.names = (names,) if isinstance(names, str) else tuple(names)
        self.maker = ItemMaker(checked, seed, acquisitions=self.names, reuse=reuse, vary=vary)
        self.classes = None
        if classes is not None:
            kinds = {str(checked.acquisitions[name].modality) for name in self.names}  # type: ignore[attr-defined]
            own = [s for kind in sorted(kinds) for s in MODALITIES[kind].structures()]
            self.classes = checked_classes(classes, [*load_body(checked.phantom.body).structures(), *own])
        self.resample, self.orientation, self.meta, self.transform = resample, orientation, meta, transform
        # In shared memory, so that workers that live on from epoch to epoch see it change.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    @property
    def epoch(self) -> int:
        """The epoch that images are made for."""
        return int(self._epoch[0])

    def set_epoch(self, epoch: int) -> None:
        """Make the images of this epoch from now on; it changes them only with `resample`. Call it between epochs."""
        check_whole("epoch", epoch, 0)
        self._epoch[0] = epoch

    def item(self, number: int) -> Any:
        """Return image `number` of the endless row as a dictionary, transformed."""
        if get_worker_info() is not None:
            numba.set_num_threads(1)  # workers are parallel already
        made = to_dictionary(self.maker(number), self.names, self.classes, orientation=self.orientation,
                             meta=self.meta, lesions=bool(self.maker.recipe.lesions))
        return made if self.transform is None else self.transform(made)


class SynthDataset(_Source, Dataset[Any]):
    """A map-style data set of `length` images; item i depends on (recipe, seed, epoch, i) alone.

    Items are dictionaries, channel first, in the form of MONAI:

    - `image` : (1, k, j, i) float32, in HU, MR signal or P-values; one channel per acquisition where several are named.
      Of a projection (1, rows, columns).
    - `label` : (1, k, j, i), the anatomy's labels (int32) or the classes (uint8). Of a projection (class, rows,
      columns) uint8, with `classes` alone.
    - `lesion` : (1, k, j, i) int32 lesion numbers, if the recipe has lesions.
    - `number` : of the image in the endless row.

    With MONAI (`meta=None` finds out) image, label and lesion are MetaTensors with a RAS affine and `meta["subject"]`;
    without it plain tensors, and `affine` is an entry of its own. The affine takes array indices in the order of the
    axes, here (k, j, i), to RAS millimetres as in MONAI and NIfTI; medsynth's own grids are LPS.

    Parameters
    ----------
    recipe : as for `load_recipe`.
    seed : every stream is drawn below it; another seed is another data set.
    length : images per epoch.
    acquisition : which of the recipe's; the first when left out. Several share one grid.
    classes : class name -> patterns of structure names, e.g. `{"lung": "lung_*", "nodule": "lesion"}`; the n-th class
        has the value n.
    reuse : how many images one body gives (see `Reuse`): one when left out.
    vary : settings of the scanner to draw for every image, e.g. `{"ct.mas": (20.0, 200.0)}`.
    resample : new images in every epoch (see `set_epoch`); otherwise every epoch has the same.
    orientation : letters such as "RAS", to which the axes are turned; as the scanner made them when left out.
    meta : MetaTensors or not; None for whether MONAI is installed.
    transform : called with every dictionary.

    Raises
    ------
    RecipeError
        If an argument cannot be used.
    """

    def __init__(self, recipe: Recipe | str | Path | Mapping[str, Any], seed: int = 0, length: int = 1000, *,
                 acquisition: str | Sequence[str] | None = None,
                 classes: Mapping[str, str | Sequence[str]] | None = None, reuse: Reuse | None = None,
                 vary: Vary | None = None, resample: bool = False, orientation: str | None = None,
                 meta: bool | None = None, transform: Callable[[dict[str, Any]], Any] | None = None) -> None:
        super().__init__(recipe, seed, acquisition=acquisition, classes=classes, reuse=reuse, vary=vary,
                         resample=resample, orientation=orientation, meta=meta, transform=transform)
        check_whole("length", length, 1)
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        """Return item `index` of the epoch."""
        if not -self.length <= index < self.length:
            raise IndexError(f"index must be in 0..{self.length - 1}, got {index}")
        offset = self.epoch * _whole_blocks(self.length, self.maker.reuse.block) if self.resample else 0
        return self.item(offset + int(index) % self.length)


class SynthStream(_Source, IterableDataset[Any]):
    """A stream of images for a DataLoader: endless, or of `length` an epoch, shared out to ranks and workers.

    Every worker of every rank makes images of bodies that no other builds, so that the anatomy cache works; each image
    is made once. A rank gets `length // ranks` images; what is left over is left out, as ranks must have equally many.
    Items are those of `SynthDataset`.

    Parameters
    ----------
    length : images per epoch, over all ranks; endless when left out. `len()` is that of this rank.
    rank, ranks : of this process among those that train together; torch.distributed's own when left out.
    recipe, seed, and what else is not named here : as for `SynthDataset`, but that `resample` is the default.
    """

    def __init__(self, recipe: Recipe | str | Path | Mapping[str, Any], seed: int = 0, length: int | None = None, *,
                 rank: int | None = None, ranks: int | None = None, acquisition: str | Sequence[str] | None = None,
                 classes: Mapping[str, str | Sequence[str]] | None = None, reuse: Reuse | None = None,
                 vary: Vary | None = None, resample: bool = True, orientation: str | None = None,
                 meta: bool | None = None, transform: Callable[[dict[str, Any]], Any] | None = None) -> None:
        super().__init__(recipe, seed, acquisition=acquisition, classes=classes, reuse=reuse, vary=vary,
                         resample=resample, orientation=orientation, meta=meta, transform=transform)
        if length is not None:
            check_whole("length", length, 1)
        if (rank is None) != (ranks is None):
            raise RecipeError(expected("rank and ranks", (rank, ranks), "given both or neither"))
        if rank is not None and ranks is not None and not 0 <= rank < ranks:
            raise RecipeError(expected("rank", rank, f"in 0..ranks - 1 ({ranks - 1})"))
        self.length, self._rank, self._ranks = length, rank, ranks

    def __len__(self) -> int:
        """Return how many images this rank gets in an epoch."""
        if self.length is None:
            raise TypeError("an endless stream has no length")
        return self.length // self.rank[1]

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a worker process, which cannot ask torch.distributed for the rank."""
        rank, ranks = self.rank
        return {**self.__dict__, "_rank": rank, "_ranks": ranks}

    @property
    def rank(self) -> tuple[int, int]:
        """Number of this process among those that train together, and how many they are."""
        if self._rank is not None and self._ranks is not None:
            return self._rank, self._ranks
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return 0, 1

    def numbers(self) -> Iterator[int]:
        """Return the images that this worker of this rank makes in this epoch, in order."""
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        rank, ranks = self.rank
        count = None if self.length is None else self.length // ranks
        block = self.maker.reuse.block
        offset = 0
        if self.resample:
            stride = EPOCH_STRIDE if self.length is None else self.length
            offset = self.epoch * _whole_blocks(stride, block * ranks)
        for number in shard_numbers(block, rank=rank, ranks=ranks, worker=worker, workers=workers, count=count):
            yield offset + number

    def __iter__(self) -> Iterator[Any]:
        for number in self.numbers():
            yield self.item(number)


class BodyBatches(Sampler[list[int]]):
    """Batches of a `SynthDataset` for a DataLoader whose workers keep bodies: no body is built in two of them.

    A DataLoader gives batch m to worker m modulo their number; with any other sampler every worker builds every body.
    Give it as `batch_sampler` with `num_workers=workers`. Every index comes once.

    Parameters
    ----------
    batch_size : images per batch; the last ones of each worker may be smaller.
    workers : of the DataLoader; 0 counts as 1.
    """

    def __init__(self, dataset: SynthDataset, batch_size: int, workers: int) -> None:
        check_whole("batch_size", batch_size, 1)
        check_whole("workers", workers, 0)
        self._batches = list(_batches(dataset.length, dataset.maker.reuse.block, batch_size, max(workers, 1)))

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)


def _batches(length: int, block: int, batch_size: int, workers: int) -> Iterator[list[int]]:
    rows = []
    for worker in range(workers):
        own = list(shard_numbers(block, rank=0, ranks=1, worker=worker, workers=workers, count=length))
        rows.append([own[n:n + batch_size] for n in range(0, len(own), batch_size)])
    for batches in zip_longest(*rows):
        yield from (batch for batch in batches if batch is not None)


def data_loader(dataset: SynthDataset | SynthStream, batch_size: int = 1, workers: int = 0, **settings: Any
                ) -> DataLoader[Any]:
    """Return a DataLoader with what the generator needs: spawned, lasting workers, and batches by body.

    Workers are spawned, not forked: compiled loops that have run with threads do not survive a fork. Where this is
    called from a script, the script needs `if __name__ == "__main__":`.

    Parameters
    ----------
    workers : processes; 0 makes the images in this one.
    settings : for the DataLoader, over these.
    """
    own: dict[str, Any] = {"num_workers": workers, "batch_size": batch_size}
    if isinstance(dataset, SynthDataset) and dataset.maker.reuse.images > 1 and not {
            "batch_sampler", "sampler", "shuffle"} & set(settings):
        del own["batch_size"]
        own["batch_sampler"] = BodyBatches(dataset, batch_size, workers)
    if workers:
        own |= {"multiprocessing_context": "spawn", "persistent_workers": True}
    return DataLoader(dataset, **{**own, **settings})


def _whole_blocks(count: int, block: int) -> int:
    """Return the least multiple of `block` that is at least `count`: epochs share no body."""
    return -(-count // block) * block
