"""The configuration of a training run: model, data, optimisation, and what is recorded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct, field

from hotsettings import (
    BaseSettings,
    Before,
    Check,
    Deprecated,
    FileLayer,
    Renamed,
    RestartRequired,
    Secret,
    Section,
    derived,
)

SUFFIXES = {"k": 1_000, "M": 1_000_000, "B": 1_000_000_000}


def count(value: Any) -> Any:
    """Take "10k" for 10,000 and "1.5M" for 1,500,000; numbers are what they are."""
    if not isinstance(value, str):
        return value
    number, suffix = value[:-1], value[-1:]
    if suffix not in SUFFIXES or not number.replace(".", "", 1).isdigit():
        raise ValueError("write a number, or a text such as 10k, 1.5M or 3B")
    return round(float(number) * SUFFIXES[suffix])


def power_of_two(number: int) -> None:
    """Refuse sizes that waste tensor cores."""
    if number & (number - 1):
        raise ValueError(f"{number} is no power of two")


def pairs(betas: tuple[float, float]) -> None:
    """Refuse moments that are not below one."""
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError("both have to be at least 0 and below 1")


Count: TypeAlias = Annotated[int, Before(count), Meta(ge=0)]
Probability: TypeAlias = Annotated[float, Meta(ge=0.0, le=1.0)]
Rate: TypeAlias = Annotated[float, Meta(gt=0.0)]


# The model


class RoPE(Struct, frozen=True, tag_field="type", tag="rope"):
    theta: float = 10_000.0
    scaling: Mapping[str, float] = {}


class Learned(Struct, frozen=True, tag_field="type", tag="learned"):
    max_positions: Count


class Attention(Struct, frozen=True):
    heads: Annotated[int, Meta(ge=1)] = 12
    kv_heads: Annotated[int, Meta(ge=1)] | None = None
    dropout: Probability = 0.0
    position: RoPE | Learned = RoPE()
    window: tuple[int, int] | None = None


class Transformer(Struct, frozen=True, tag_field="kind", tag="transformer"):
    layers: Annotated[int, Meta(ge=1)]
    width: Annotated[int, Check(power_of_two)]
    attention: Attention = Attention()
    vocabulary: Count = 50_257
    tie_embeddings: bool = True


class Convolution(Struct, frozen=True):
    channels: int
    kernel: Literal[1, 3, 5, 7] = 3
    stride: Literal[1, 2] = 1


class ConvNet(Struct, frozen=True, tag_field="kind", tag="convnet"):
    blocks: Annotated[tuple[Convolution, ...], Meta(min_length=1)]
    classes: int


# What is learnt from


class Hub(Struct, frozen=True, tag_field="from", tag="hub"):
    repository: Annotated[str, Meta(pattern="^[\\w.-]+/[\\w.-]+$")]
    revision: str = "main"
    weight: Rate = 1.0
    token: Secret[str | None] = None


class Shards(Struct, frozen=True, tag_field="from", tag="shards"):
    pattern: str
    weight: Rate = 1.0
    shuffle: Count = 0


class Lines(Struct, frozen=True, tag_field="from", tag="lines"):
    path: Path
    fields: Mapping[str, str] = field(default_factory=lambda: {"text": "text"})
    weight: Rate = 1.0


class Data(Struct, frozen=True):
    datasets: Annotated[tuple[Hub | Shards | Lines, ...], Meta(min_length=1)]
    validation: Hub | Shards | Lines | None = None
    cache: Path = Path("~/.cache/training")
    workers: RestartRequired[int] = 8
    sequence_length: Annotated[int, Before(count), Check(power_of_two)] = 1024


# How it is learnt


class AdamW(Struct, frozen=True, tag_field="name", tag="adamw"):
    lr: Rate
    betas: Annotated[tuple[float, float], Check(pairs)] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01


class SGD(Struct, frozen=True, tag_field="name", tag="sgd"):
    lr: Rate
    momentum: float = 0.0
    nesterov: bool = False


class Constant(Struct, frozen=True, tag_field="name", tag="constant"):
    factor: float = 1.0


class Warmup(Struct, frozen=True, tag_field="name", tag="warmup"):
    steps: Annotated[Count, Renamed("warmup_steps")]
    start: float = 0.0


class Cosine(Struct, frozen=True, tag_field="name", tag="cosine"):
    steps: Count
    floor: float = 0.0


class Sequence(Struct, frozen=True, tag_field="name", tag="sequence"):
    """One schedule after the other."""

    parts: Annotated[tuple[Warmup | Cosine | Constant, ...], Meta(min_length=1)]


class ParameterGroup(Struct, frozen=True):
    match: str
    lr_scale: float = 1.0
    weight_decay: float | None = None


class Optimization(Struct, frozen=True):
    optimizer: AdamW | SGD
    scheduler: Warmup | Cosine | Constant | Sequence = Constant()
    groups: tuple[ParameterGroup, ...] = ()
    clip_norm: Annotated[float, Meta(gt=0.0)] = math.inf
    accumulate: Annotated[int, Meta(ge=1)] = 1


class EarlyStopping(Struct, frozen=True, tag_field="on", tag="early_stopping"):
    metric: str
    baseline: float = math.nan
    patience: Count = 5


class Sampling(Struct, frozen=True, tag_field="on", tag="sampling"):
    every: Count
    prompts: tuple[str, ...] = ()
    temperature: float = 1.0


class Checkpoints(Struct, frozen=True):
    directory: Path
    every: Count = 1000
    keep: int | Literal["all"] = 3


class Wandb(Struct, frozen=True, tag_field="to", tag="wandb"):
    project: str
    api_key: Secret[str]
    tags: frozenset[str] = frozenset()


class Tensorboard(Struct, frozen=True, tag_field="to", tag="tensorboard"):
    directory: Path = Path("runs")


class Config(BaseSettings):
    name: Annotated[str, Section("Run"), Meta(description="What the run is called.", pattern="^[a-z0-9-]+$")]
    seed: int = 0
    steps: Count
    batch_size: Annotated[int, Meta(ge=1)] = 32
    precision: Literal["fp32", "bf16", "fp16"] = "bf16"
    devices: RestartRequired[tuple[int, ...]] = (0,)
    fp16: Annotated[bool, Deprecated('write precision = "fp16"')] = False
    resume: Path | None = None

    model: Annotated[Transformer | ConvNet, Section("Model")]
    data: Annotated[Data, Section("Data")]
    optimization: Annotated[Optimization, Section("Optimization")]
    loss_weights: Mapping[str, float] = {"language": 1.0}

    checkpoints: Annotated[Checkpoints, Section("Records")] = Checkpoints(Path("checkpoints"))
    callbacks: tuple[EarlyStopping | Sampling, ...] = ()
    loggers: Mapping[str, Wandb | Tensorboard] = {"local": Tensorboard()}

    @derived("batch_size", "optimization.accumulate", "data.sequence_length", "devices")
    def tokens_per_step(self) -> int:
        """How many tokens the model sees between two updates."""
        sequences = self.batch_size * self.optimization.accumulate * len(self.devices)
        return sequences * self.data.sequence_length

    def __post_init__(self) -> None:
        scheduler = self.optimization.scheduler
        parts = scheduler.parts if isinstance(scheduler, Sequence) else (scheduler,)
        if sum(part.steps for part in parts if not isinstance(part, Constant)) > self.steps:
            raise ValueError("the schedule is longer than steps")


def layers() -> list[FileLayer]:
    """The configuration of the model, the credentials of this machine, and the experiment."""
    return [
        FileLayer("config.toml"),
        FileLayer("secrets.toml", secret=True),
        FileLayer("experiment.toml"),
    ]
