"""A training recipe: what is trained on what, and how. TOML by hand into frozen dataclasses; unknown keys are refused.

The defaults are the published EmoS recipe (Guo et al., ACL 2026): LoRA r 16, alpha 32, dropout 0 on q, k, v, o, gate,
up and down of the language layers, AdamW, 5e-5, cosine, 10% warm-up, batch 1 x accumulation 8, 3 epochs. Whatever
else changes the training is an option of its own, off by default.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from infer.stream.modes import Mode, StreamOptions
from infer.stream.parts import ONE_UTTERANCE
from tasks.select import check_at_least
from tasks.task import MediaOptions

SHIPPED = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True)
class ModelPart:
    """`[model]`: which base model, and in which form it is held."""

    path: str = "Qwen/Qwen2.5-Omni-7B"
    """Checkpoint folder, or a name on the hub."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Type of the frozen weights; auto is bfloat16 on a GPU, float32 on a CPU. The adapter is always float32."""
    quantise: Literal["none", "nf4"] = "none"
    """nf4 holds the language layers in 4 bits (QLoRA); dense models alone."""
    attention: Literal["auto", "sdpa", "flash_attention_2", "flex_attention", "eager"] = "auto"
    """Attention of the language layers; auto is flash_attention_2 where it is installed, else sdpa."""
    checkpointing: bool = True
    """Compute activations again in the backward pass instead of keeping them."""


@dataclass(frozen=True, slots=True)
class DataPart:
    """`[data]`: the task and which of its samples."""

    task: str = ""
    """Name of the task."""
    folder: Path | None = None
    """Folder of the annotations (or --data)."""
    media: Path | None = None
    """Folder of the clips, where it is not the release's own place under `folder`."""
    split: str = ""
    """Split of the task; its first one if not given."""
    where: dict[str, str] = field(default_factory=dict)
    """Only samples whose slices have these values."""
    options: dict[str, str] = field(default_factory=dict)
    """Named policies of the task."""
    mixture_by: str = "tier"
    """The slice that `mixture` speaks of."""
    mixture: dict[str, float] = field(default_factory=dict)
    """Value of that slice -> share of its samples that is used (0 to 1), chosen by a hash of their ids. Samples of
    other values are left out; empty takes all."""
    limit: int | None = None
    """Only so many samples, spread over the data."""
    template: str = ""
    """Prompt template; the task's own if not given."""
    transcript: bool = True
    """Show the transcript to the model."""
    system: str | None = None
    """A system turn; if not given, the model family's official default stays."""


@dataclass(frozen=True, slots=True)
class StreamPart(StreamOptions):
    """`[stream]`: timelines are learned in the parts in which `omnimer infer` asks about them, given the same options.

    What a part is told of earlier answers is gold. Held-out clips are held out whole.
    """

    mode: Mode = "whole"
    """whole: one sample a clip. windows, given, online: one a part; auto: whole where the clip fits, else windows."""
    max_model_len: int = 16_384
    """--max-model-len of the questions that are learned for: windows are as short as they have to be to fit."""


@dataclass(frozen=True, slots=True)
class LoraPart:
    """`[lora]`: the adapter."""

    r: int = 16
    """Rank."""
    alpha: int = 32
    """The update is scaled by alpha / r."""
    dropout: float = 0.0
    """Dropout on the adapter's input."""
    modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Linear layers of the language model that are adapted."""
    experts: bool = False
    """Adapt the fused experts of a mixture-of-experts model too. gate, up and down exist there as experts alone."""


@dataclass(frozen=True, slots=True)
class OptimiserPart:
    """`[optimiser]`: AdamW, cosine with warm-up."""

    rate: float = 5e-5
    """Highest learning rate."""
    warmup: float = 0.1
    """Share of the steps in which the rate rises."""
    epochs: int = 3
    """Passes over the data."""
    batch: int = 1
    """Examples computed at once."""
    accumulation: int = 8
    """Batches in one step of the optimiser."""
    weight_decay: float = 0.0
    """AdamW's decoupled weight decay."""
    clip_norm: float = 1.0
    """Largest norm of the gradient; 0 leaves it as it is."""
    seed: int = 0
    """Seed of the adapter, of the order of the data and of every draw."""


@dataclass(frozen=True, slots=True)
class OptionsPart:
    """`[options]`: changes to the plain recipe. All are off by default."""

    pack_tokens: int = 0
    """Put the examples of a step into rows of at most so many tokens, without padding and without seeing each other."""
    confidence: str = "ds_confidence"
    """The sample's meta entry that holds the confidence of its label, 0 to 1."""
    weight_by_confidence: bool = False
    """Weigh the loss of a sample by its confidence."""
    curriculum: tuple[float, ...] = ()
    """Lowest confidence of the samples of each epoch, such as [0.9, 0.8, 0.0]; the last one stays."""
    state_confidence: bool = False
    """The reply that is learned states the confidence; without, it says null."""
    soft_labels: bool = False
    """The reply that is learned lists every label of a set with its probability; without, the labels that at least
    half of the annotators gave, without a probability."""
    fields: tuple[str, ...] | None = None
    """Optional fields of the reply that are learned, such as ["secondary", "intensity"] of an utterance; the others say
    null, as what cannot be seen or heard in the data has to. If not given, every field that gold fills."""
    balanced: bool = False
    """Draw samples so that each gold label comes equally often."""
    label_smoothing: float = 0.0
    """Share of the uniform distribution in the target of each token."""
    drop_video: float = 0.0
    """Probability that a sample's pictures are left out, drawn anew each epoch."""
    drop_audio: float = 0.0
    """The same for its sound."""
    drop_transcript: float = 0.0
    """The same for its transcript. Where nothing would be left, nothing is left out."""


@dataclass(frozen=True, slots=True)
class ValidationPart:
    """`[validation]`: whole groups (speakers, films, dialogues) are held out of training and asked after each epoch."""

    share: float = 0.1
    """Share of the samples that is held out; 0 is no validation."""
    split: str = ""
    """Take this split of the task instead of holding samples out."""
    limit: int | None = None
    """Ask about at most so many of them (of clips, where parts are learned)."""
    max_tokens: int = 256
    """Longest reply, in tokens."""
    batch: int = 8
    """Samples asked at once."""
    patience: int = 0
    """Stop after so many epochs without a better score; 0 never stops."""


@dataclass(frozen=True, slots=True)
class RunPart:
    """`[run]`: how the run goes about it; nothing here changes what is learned."""

    save_every: int = 50
    """Steps between checkpoints."""
    cache: bool = True
    """Keep what the frozen audio and vision towers give on disk, so that no clip is decoded twice."""
    cache_folder: Path | None = None
    """Where; if not given, `towers` in the run directory. Runs may share it."""
    threads: int = 2
    """Threads that decode or read ahead."""
    track: tuple[str, ...] = ("tensorboard",)
    """Trackers besides train.jsonl: tensorboard (if installed), wandb, trackio."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole recipe; each field is a table of the TOML file."""

    model: ModelPart = ModelPart()
    data: DataPart = field(default_factory=DataPart)
    clip: MediaOptions = field(default_factory=MediaOptions)
    stream: StreamPart = StreamPart()
    lora: LoraPart = LoraPart()
    optimiser: OptimiserPart = OptimiserPart()
    options: OptionsPart = OptionsPart()
    validation: ValidationPart = ValidationPart()
    run: RunPart = RunPart()

    @property
    def step_examples(self) -> int:
        """Examples in one step of the optimiser."""
        return self.optimiser.batch * self.optimiser.accumulation


def shipped() -> dict[str, Path]:
    """The recipes that ship, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}


def find(name: str) -> Path:
    """The recipe file at the path `name`, or the shipped one of that name; ValueError names the nearest."""
    own, known = Path(name), shipped()
    if own.is_file():
        return own
    stem = own.name.removesuffix(".toml")
    if own.parent.name in ("", "recipes") and stem in known:
        return known[stem]
    raise ValueError(f"no recipe {name!r}: neither a file nor one of {', '.join(known)}{_near(stem, known)}")


def load(path: Path) -> Recipe:
    """The recipe in a TOML file; ValueError for what is no TOML, an unknown key, or a value of another type."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: is no TOML ({error})") from None
    recipe: Recipe = _build(Recipe, table, str(path))
    check(recipe)
    return recipe


def check(recipe: Recipe) -> None:
    """Raises ValueError for values outside their range, and for options that exclude each other."""
    if not recipe.data.task:
        raise ValueError("the recipe names no task: [data] task = … (`omnimer tasks` lists them)")
    _check_counts(recipe)
    _check_amounts(recipe)
    options = recipe.options
    if options.drop_transcript and recipe.stream.mode in ONE_UTTERANCE:
        raise ValueError(
            f"options.drop_transcript does not go with stream.mode {recipe.stream.mode}: the words around an utterance "
            "would still be told; data.transcript = false shows none"
        )
    if options.balanced and options.curriculum:
        raise ValueError("options.balanced and options.curriculum both choose the samples of an epoch; take one")


def _check_counts(recipe: Recipe) -> None:
    """Whole numbers that have a lowest legal value."""
    for name, value, lowest in (
        ("stream.max_model_len", recipe.stream.max_model_len, 1),
        ("data.limit", 1 if recipe.data.limit is None else recipe.data.limit, 1),
        ("lora.r", recipe.lora.r, 1),
        ("lora.alpha", recipe.lora.alpha, 1),
        ("optimiser.epochs", recipe.optimiser.epochs, 1),
        ("optimiser.batch", recipe.optimiser.batch, 1),
        ("optimiser.accumulation", recipe.optimiser.accumulation, 1),
        ("optimiser.seed", recipe.optimiser.seed, 0),
        ("options.pack_tokens", recipe.options.pack_tokens, 0),
        ("validation.batch", recipe.validation.batch, 1),
        ("validation.max_tokens", recipe.validation.max_tokens, 1),
        ("validation.limit", 1 if recipe.validation.limit is None else recipe.validation.limit, 1),
        ("validation.patience", recipe.validation.patience, 0),
        ("run.save_every", recipe.run.save_every, 1),
        ("run.threads", recipe.run.threads, 1),
    ):
        check_at_least(name, value, lowest)


def _check_amounts(recipe: Recipe) -> None:
    """Shares, rates and other amounts."""
    options = recipe.options
    shares = {
        "lora.dropout": recipe.lora.dropout,
        "optimiser.warmup": recipe.optimiser.warmup,
        "options.label_smoothing": options.label_smoothing,
        "options.drop_video": options.drop_video,
        "options.drop_audio": options.drop_audio,
        "options.drop_transcript": options.drop_transcript,
        "validation.share": recipe.validation.share,
        **{f"data.mixture.{name}": share for name, share in recipe.data.mixture.items()},
        **{f"options.curriculum[{place}]": value for place, value in enumerate(options.curriculum)},
    }
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is {share}; legal is 0 to 1")
    if not 0 < recipe.optimiser.rate < math.inf:
        raise ValueError(f"optimiser.rate is {recipe.optimiser.rate}; legal are numbers above 0")
    for name in ("weight_decay", "clip_norm"):
        amount = getattr(recipe.optimiser, name)
        if not 0 <= amount < math.inf:
            raise ValueError(f"optimiser.{name} is {amount}; legal is 0 (off) and above")
    for name, share in (("lora.dropout", recipe.lora.dropout), ("options.label_smoothing", options.label_smoothing)):
        if share == 1:
            raise ValueError(f"{name} is 1; it leaves nothing to learn from")


def record(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON values."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(recipe))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _build(kind: Any, table: Mapping[str, Any], place: str) -> Any:
    """A dataclass from a TOML table."""
    types_of = get_type_hints(kind)
    for key in table:
        if key not in types_of:
            raise ValueError(f"{place}: no key {key!r}; legal: {', '.join(types_of)}{_near(key, types_of)}")
    try:
        return kind(**{key: _value(types_of[key], value, f"{place}, {key}") for key, value in table.items()})
    except ValueError as error:
        raise error if str(error).startswith(place) else ValueError(f"{place}: {error}") from None


def _value(kind: Any, value: Any, place: str) -> Any:
    """A TOML value as the type of its field; ValueError names what was expected."""
    origin, inner = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ValueError(f"{place}: a table was expected, found {value!r}")
        return _build(kind, value, place)
    if origin in (Union, types.UnionType):
        return _value(next(each for each in inner if each is not type(None)), value, place)
    if origin is Literal:
        if value not in inner:
            raise ValueError(f"{place}: {value!r} is not one of {', '.join(map(str, inner))}{_near(str(value), inner)}")
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(_value(inner[0], item, place) for item in value)
    if origin is dict and isinstance(value, dict):
        return {str(key): _value(inner[1], item, f"{place}.{key}") for key, item in value.items()}
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in (str, int, bool) and type(value) is kind:
        return value
    wanted = "list" if origin is tuple else "table" if origin is dict else kind.__name__
    raise ValueError(f"{place}: {value!r} is no {wanted}")


def _near(name: str, legal: Any) -> str:
    near = difflib.get_close_matches(name, [str(each) for each in legal], n=1, cutoff=0.5)
    return f" (did you mean {near[0]}?)" if near else ""
