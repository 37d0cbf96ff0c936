"""Plain distributions that a recipe can write down and a family draws from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from scipy.special import ndtr, ndtri


class Options(BaseModel):
    """Frozen options: unknown keys and numbers that are not finite are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Fixed(Options):
    """Always the same value."""

    distribution: Literal["fixed"] = "fixed"
    value: float

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.value, self.value

    def sample(self, *, rng: np.random.Generator) -> float:  # noqa: ARG002 - one signature for all distributions
        """Return the value."""
        return self.value


class Uniform(Options):
    """Any value from `low` to `high`."""

    distribution: Literal["uniform"] = "uniform"
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if self.high < self.low:
            raise ValueError(f"high must be >= low, got {self.low} and {self.high}")
        return self

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.low, self.high

    def sample(self, *, rng: np.random.Generator) -> float:
        """Return one draw."""
        return float(rng.uniform(self.low, self.high))


class LogNormal(Options):
    """exp(normal) of this median, `sigma` the standard deviation of the logarithm, cut at `low` and `high`."""

    distribution: Literal["log_normal"] = "log_normal"
    median: float = Field(gt=0)
    sigma: float = Field(gt=0)
    low: float = Field(gt=0)
    high: float = Field(gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> LogNormal:
        if self.high <= self.low:
            raise ValueError(f"high must be > low, got {self.low} and {self.high}")
        return self

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.low, self.high

    def sample(self, *, rng: np.random.Generator) -> float:
        """Return one draw; the cut keeps the shape between its limits (inverse of the distribution function)."""
        low, high = ndtr((np.log([self.low, self.high]) - np.log(self.median)) / self.sigma)
        z = ndtri(rng.uniform(low, high))
        return float(np.clip(self.median * np.exp(self.sigma * z), self.low, self.high))


class Normal(Options):
    """Normal of this mean and standard deviation, cut at `low` and `high`."""

    distribution: Literal["normal"] = "normal"
    mean: float
    sd: float = Field(gt=0)
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Normal:
        if self.high <= self.low:
            raise ValueError(f"high must be > low, got {self.low} and {self.high}")
        return self

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.low, self.high

    def sample(self, *, rng: np.random.Generator) -> float:
        """Return one draw; the cut keeps the shape between its limits (inverse of the distribution function)."""
        low, high = ndtr((np.array([self.low, self.high]) - self.mean) / self.sd)
        z = ndtri(rng.uniform(low, high))
        return float(np.clip(self.mean + self.sd * z, self.low, self.high))


class Poisson(Options):
    """Whole numbers of this mean, cut at `low` and `high` by drawing again."""

    distribution: Literal["poisson"] = "poisson"
    mean: float = Field(gt=0, le=100)
    low: int = Field(default=0, ge=0)
    high: int = Field(ge=0)

    @model_validator(mode="after")
    def _reachable(self) -> Poisson:
        if self.high < self.low:
            raise ValueError(f"high must be >= low, got {self.low} and {self.high}")
        return self

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return float(self.low), float(self.high)

    def sample(self, *, rng: np.random.Generator) -> float:
        """Return one draw."""
        counts = np.arange(self.low, self.high + 1)
        logarithm = counts * np.log(self.mean) - np.cumsum(np.log(np.maximum(np.arange(self.high + 1), 1)))[counts]
        weights = np.exp(logarithm - logarithm.max())
        return float(rng.choice(counts, p=weights / weights.sum()))


def _number_is_fixed(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"a number or a distribution is expected, got {value}")
    return {"distribution": "fixed", "value": value} if isinstance(value, int | float) else value


class Quantiles(Options):
    """Any distribution, by its quantiles: `values` at the probabilities `at`, between them straight (or in the log)."""

    distribution: Literal["quantiles"] = "quantiles"
    at: tuple[float, ...] = Field(min_length=2)
    values: tuple[float, ...] = Field(min_length=2)
    scale: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _rising(self) -> Quantiles:
        if len(self.at) != len(self.values) or self.at[0] != 0 or self.at[-1] != 1 or np.any(np.diff(self.at) <= 0):
            raise ValueError(f"at must rise from 0 to 1, one for each of values, got {self.at}")
        if np.any(np.diff(self.values) < 0) or (self.scale == "log" and self.values[0] <= 0):
            raise ValueError(f"values must not fall, and be > 0 with scale log, got {self.values}")
        return self

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.values[0], self.values[-1]

    def sample(self, *, rng: np.random.Generator) -> float:
        """Return one draw."""
        u = rng.uniform()
        if self.scale == "log":
            return float(np.exp(np.interp(u, self.at, np.log(self.values))))
        return float(np.interp(u, self.at, self.values))


# A plain number means itself: `diameter_mm: 8`.
_Any = Annotated[Fixed | Uniform | LogNormal | Normal | Poisson | Quantiles, Field(discriminator="distribution")]
Distribution = Annotated[_Any, BeforeValidator(_number_is_fixed)]


class Trait(Options):
    """A trait that is present with this probability and then has a strength between `low` and `high` (0..1)."""

    probability: float = Field(ge=0, le=1)
    low: float = Field(default=0.2, ge=0, le=1)
    high: float = Field(default=1.0, ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> Trait:
        if self.high < self.low:
            raise ValueError(f"high must be >= low, got {self.low} and {self.high}")
        return self

    def sample(self, *, rng: np.random.Generator) -> float:
        """Return the strength, 0 where absent. Two numbers are drawn either way."""
        present, strength = rng.uniform(size=2)
        return float(self.low + strength * (self.high - self.low)) if present < self.probability else 0.0


def choose(weights: dict[Any, float], *, rng: np.random.Generator) -> Any:
    """Return one key, drawn with these weights (they need not sum to 1)."""
    keys = list(weights)
    share = np.cumsum([weights[key] for key in keys])
    return keys[int(np.searchsorted(share, rng.uniform(0, share[-1]), side="right"))]
