"""Tiny checkpoints with the real shape of Qwen2.5-Omni and Qwen3-Omni-MoE, for demos and tests on any machine.

`build_tiny(out, family)` writes a complete checkpoint folder: config, weights, tokenizer, processor files and chat
template. It loads in transformers and vLLM as the published checkpoints do, so every path that runs it runs the real
model with another `--model`. Weights are random (seeded), or pretrained to see, hear and describe (tiny_pretrain.py).
Either way it knows nothing about emotion until it is trained; a LoRA adapter learns that on the pretrained one alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from infer.tiny_portraits import description_words
from infer.tiny_pretrain import Budget, pretrain
from tasks.labels import label_space, label_space_names

Family = Literal["qwen2_5_omni", "qwen3_omni_moe"]

VOCAB_SIZE = 3072
HIDDEN = 128
LAYERS = 2
HEADS = 4
KV_HEADS = 2
MEL_BINS = 128
POSITIONS = 32768


@dataclass(frozen=True, slots=True)
class Marks:
    """The special tokens of a family, by what they stand for."""

    image: str
    audio: str
    video: str
    vision_bos: str
    vision_eos: str
    audio_bos: str
    audio_eos: str


MARKS: dict[Family, Marks] = {
    "qwen2_5_omni": Marks(
        "<|IMAGE|>",
        "<|AUDIO|>",
        "<|VIDEO|>",
        "<|vision_bos|>",
        "<|vision_eos|>",
        "<|audio_bos|>",
        "<|audio_eos|>",
    ),
    "qwen3_omni_moe": Marks(
        "<|image_pad|>",
        "<|audio_pad|>",
        "<|video_pad|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|audio_start|>",
        "<|audio_end|>",
    ),
}
CHAT_MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

# Qwen2.5-Omni's published template adds this system turn when a conversation brings none; Qwen3-Omni's adds nothing.
DEFAULT_SYSTEM: dict[Family, str] = {"qwen2_5_omni": "You are a helpful assistant.", "qwen3_omni_moe": ""}

_CORPUS_EXTRA = """
The speaker looks at the camera and says a short sentence in a calm, low, high, loud or trembling voice.
说话的人看着镜头，用平静、低沉、尖锐、响亮或颤抖的声音说了一句话。
{"label": "Joy", "confidence": 0.85} {"emotion": "Sadness", "confidence": 0.5, "goemotions": [], "evidence": null}
Predicted emotion: Anger Model confidence: 0.7 GoEmotions labels: anger (0.9), annoyance (0.4) Evidence: Rationale:
0 1 2 3 4 5 6 7 8 9 0.1 0.25 0.33 0.5 0.67 0.75 0.95 00:12-00:15 true false null
"""


def _corpus() -> Iterator[str]:
    """What the tokenizer is trained on: our own prompt templates and label spaces, in Chinese and English."""
    templates = Path(__file__).parent.parent / "prompts" / "templates"
    for path in sorted(templates.glob("*.txt")):
        yield path.read_text(encoding="utf-8")
    for name in label_space_names():
        space = label_space(name)
        yield from space.labels
        yield from (word for word, _ in space.aliases)
        yield json.dumps({"labels": space.labels})
    yield _CORPUS_EXTRA
    yield "\n".join(f" {line}" for line in description_words())


def _tokenizer(family: Family) -> Any:
    """A byte-level BPE tokenizer with the split rules of Qwen2 and the special tokens of the family."""
    import tokenizers
    from transformers import Qwen2Tokenizer

    marks = MARKS[family]
    specials = [*CHAT_MARKS, *(getattr(marks, name) for name in Marks.__slots__)]
    core = tokenizers.Tokenizer(tokenizers.models.BPE())
    core.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - len(specials),
        min_frequency=1,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(_corpus(), trainer)
    model = json.loads(core.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],
        eos_token="<|im_end|>",  # noqa: S106  a token of the vocabulary, not a password
        pad_token="<|endoftext|>",  # noqa: S106
        unk_token=None,
        extra_special_tokens={f"{name}_token": getattr(marks, name) for name in Marks.__slots__},
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(CHAT_MARKS)}, replace_extra_special_tokens=False)
    return tokenizer


def _chat_template(family: Family) -> str:
    """A Jinja chat template in the ChatML form of the family, with its media placeholders."""
    marks = MARKS[family]
    system = ""
    if DEFAULT_SYSTEM[family]:
        system = (
            "{% if loop.first and message['role'] != 'system' %}"
            f"<|im_start|>system\n{DEFAULT_SYSTEM[family]}<|im_end|>\n"
            "{% endif %}"
        )
    return (
        "{% for message in messages %}"
        + system
        + "<|im_start|>{{ message['role'] }}\n"
        + "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        + "{% for item in message['content'] %}"
        + f"{{% if item['type'] == 'image' %}}{marks.vision_bos}{marks.image}{marks.vision_eos}"
        + f"{{% elif item['type'] == 'audio' %}}{marks.audio_bos}{marks.audio}{marks.audio_eos}"
        + f"{{% elif item['type'] == 'video' %}}{marks.vision_bos}{marks.video}{marks.vision_eos}"
        + "{% elif 'text' in item %}{{ item['text'] }}{% endif %}"
        + "{% endfor %}{% endif %}<|im_end|>\n"
        + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def _processor(family: Family, tokenizer: Any) -> Any:
    """The family's processor with its published settings (patch size, mel bins, 300 s audio window)."""
    from transformers import (
        Qwen2_5OmniProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
        Qwen3OmniMoeProcessor,
        WhisperFeatureExtractor,
    )

    patch, processor_class = {
        "qwen2_5_omni": (14, Qwen2_5OmniProcessor),
        "qwen3_omni_moe": (16, Qwen3OmniMoeProcessor),
    }[family]
    return processor_class(
        image_processor=Qwen2VLImageProcessor(patch_size=patch),
        video_processor=Qwen2VLVideoProcessor(patch_size=patch),
        feature_extractor=WhisperFeatureExtractor(feature_size=MEL_BINS, chunk_length=300, return_attention_mask=True),
        tokenizer=tokenizer,
        chat_template=_chat_template(family),
    )


def _ids(tokenizer: Any, family: Family) -> dict[str, int]:
    """Token ids of the special tokens, by the names of `Marks`."""
    return {name: tokenizer.convert_tokens_to_ids(getattr(MARKS[family], name)) for name in Marks.__slots__}


_ROPE = {"rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": [4, 6, 6]}
_TEXT = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": HIDDEN,
    "intermediate_size": 2 * HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "max_position_embeddings": POSITIONS,
    "tie_word_embeddings": False,
}
_VISION = {
    "depth": 2,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_heads": 4,
    "out_hidden_size": HIDDEN,
}
_AUDIO = {
    "num_mel_bins": MEL_BINS,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "d_model": 64,
    "output_dim": HIDDEN,
    "n_window": 200,  # 4 s: a short clip is heard whole
}


def _spans(tokenizer: Any, ids: dict[str, int]) -> dict[str, int]:
    """The tokens that open and close media, and the one that names the user's turn."""
    return {
        "audio_start_token_id": ids["audio_bos"],
        "audio_end_token_id": ids["audio_eos"],
        "vision_start_token_id": ids["vision_bos"],
        "vision_end_token_id": ids["vision_eos"],
        "user_token_id": tokenizer.encode("user")[0],
    }


def _config_qwen2_5(tokenizer: Any) -> dict[str, Any]:
    ids = _ids(tokenizer, "qwen2_5_omni")
    thinker = {
        "model_type": "qwen2_5_omni_thinker",
        "text_config": {**_TEXT, "model_type": "qwen2_5_omni_text", "rope_parameters": _ROPE},
        "vision_config": {
            **_VISION,
            "model_type": "qwen2_5_omni_vision_encoder",
            "fullatt_block_indexes": [1],
            "tokens_per_second": 25,
        },
        "audio_config": {**_AUDIO, "model_type": "qwen2_5_omni_audio_encoder"},
        "audio_token_index": ids["audio"],
        "image_token_index": ids["image"],
        "video_token_index": ids["video"],
        **_spans(tokenizer, ids),
        "position_id_per_seconds": 25,
        "seconds_per_chunk": 2,
        "tie_word_embeddings": False,
    }
    return {
        "architectures": ["Qwen2_5OmniForConditionalGeneration"],
        "model_type": "qwen2_5_omni",
        "enable_audio_output": False,
        "thinker_config": thinker,
        "torch_dtype": "float32",
    }


def _config_qwen3(tokenizer: Any) -> dict[str, Any]:
    ids = _ids(tokenizer, "qwen3_omni_moe")
    rope = {**_ROPE, "mrope_interleaved": True, "interleaved": True}
    thinker = {
        "model_type": "qwen3_omni_moe_thinker",
        "text_config": {
            **_TEXT,
            "model_type": "qwen3_omni_moe_text",
            "rope_parameters": rope,
            "head_dim": HIDDEN // HEADS,
            "moe_intermediate_size": HIDDEN,
            "num_experts": 4,
            "num_experts_per_tok": 2,
        },
        "vision_config": {
            **_VISION,
            "model_type": "qwen3_omni_moe_vision_encoder",
            "patch_size": 16,
            "deepstack_visual_indexes": [0],
            "num_position_embeddings": 2304,
            # vLLM reads these two; transformers' config class leaves them out.
            "image_size": 768,
            "apply_vit_abs_pos_embed": True,
        },
        # its processor and vLLM count audio tokens for windows of 50
        "audio_config": {
            **_AUDIO,
            "n_window": 50,
            "model_type": "qwen3_omni_moe_audio_encoder",
            "downsample_hidden_size": 32,
        },
        "audio_token_id": ids["audio"],
        "image_token_id": ids["image"],
        "video_token_id": ids["video"],
        **_spans(tokenizer, ids),
        "position_id_per_seconds": 13,
        "seconds_per_chunk": 2,
        "tie_word_embeddings": False,
    }
    return {
        "architectures": ["Qwen3OmniMoeForConditionalGeneration"],
        "model_type": "qwen3_omni_moe",
        "enable_audio_output": False,
        "thinker_config": thinker,
        "torch_dtype": "float32",
    }


def _save_weights(out: Path, family: Family, config: dict[str, Any], seed: int) -> int:
    """Random thinker weights under the names of the full model (`thinker.…`); returns the number of parameters."""
    import torch
    from safetensors.torch import save_file
    from transformers import (
        Qwen2_5OmniThinkerConfig,
        Qwen2_5OmniThinkerForConditionalGeneration,
        Qwen3OmniMoeThinkerConfig,
        Qwen3OmniMoeThinkerForConditionalGeneration,
    )

    config_class, model_class = {
        "qwen2_5_omni": (Qwen2_5OmniThinkerConfig, Qwen2_5OmniThinkerForConditionalGeneration),
        "qwen3_omni_moe": (Qwen3OmniMoeThinkerConfig, Qwen3OmniMoeThinkerForConditionalGeneration),
    }[family]
    torch.manual_seed(seed)
    model = model_class(config_class(**config["thinker_config"]))
    state = {f"thinker.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, str(out / "model.safetensors"), metadata={"format": "pt"})
    return sum(tensor.numel() for tensor in state.values())


def build_tiny(out: Path, family: Family = "qwen2_5_omni", seed: int = 0, pretraining: Budget | None = None) -> Path:
    """Writes a tiny checkpoint of `family` into `out` (made if missing) and returns `out`.

    With a `pretraining` budget (Qwen2.5-Omni alone) the weights are trained, which takes minutes; without, they are
    random. The same arguments, library versions and number of threads give the same weights. An existing checkpoint of
    the same arguments and tokenizer text is left as it is.
    """
    if family not in MARKS:
        raise ValueError(f"no tiny checkpoint for family {family!r}; there are: {', '.join(MARKS)}")
    if pretraining and family != "qwen2_5_omni":
        raise ValueError(f"the tiny checkpoint of {family} cannot be pretrained; legal is qwen2_5_omni")
    corpus = hashlib.sha256("\0".join(_corpus()).encode()).hexdigest()[:16]
    learned = asdict(pretraining) if pretraining else None
    card = {"family": family, "seed": seed, "recipe": 2, "tokenizer": corpus, "pretraining": learned}
    card_file = out / "tiny.json"
    if card_file.exists() and json.loads(card_file.read_text(encoding="utf-8"))["card"] == card:
        return out
    out.mkdir(parents=True, exist_ok=True)
    card_file.unlink(missing_ok=True)  # it is written when all the rest is there
    tokenizer = _tokenizer(family)
    _processor(family, tokenizer).save_pretrained(out)
    config = {"qwen2_5_omni": _config_qwen2_5, "qwen3_omni_moe": _config_qwen3}[family](tokenizer)
    (out / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    generation = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "do_sample": False}
    (out / "generation_config.json").write_text(json.dumps(generation, indent=1), encoding="utf-8")
    parameters = _save_weights(out, family, config, seed)
    if pretraining:
        pretrain(out, seed, pretraining)
    card_file.write_text(json.dumps({"card": card, "parameters": parameters}, indent=1), encoding="utf-8")
    return out
