"""A transform that worker processes can import: what was made, and which worker made it."""

from __future__ import annotations

import two_balls  # noqa: F401  (in a worker process it installs the stub scanners)
from torch.utils.data import get_worker_info


def tag(item):
    """Return the number of the image and the number of the worker."""
    info = get_worker_info()
    return {"number": item["number"], "worker": -1 if info is None else info.id}
