"""Adapter parity of one family, in a process of its own: transformers + peft, vLLM with the adapter, vLLM merged. Two
clips are asked about a second time, in stretches behind their times.

python -m tests.finetune.parity FAMILY BASE DATA WORK CLIPS      prints one JSON line
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from pathlib import Path
from typing import Any

from finetune.merge import merge
from finetune.recipe import DataPart, ModelPart, Recipe, RunPart, ValidationPart
from finetune.rows import embed, join
from finetune.save import save_adapter
from finetune.session import Session, open_session
from finetune.validate import replies_to
from infer import vllm_engine
from infer.checkpoint import Checkpoint
from infer.engine import Choice, Request, Sampling
from infer.feed import prepare
from infer.vllm_engine import VllmEngine, VllmOptions, first_tokens
from prompts.render import MARKS
from tasks.labels import label_space
from tasks.task import MediaOptions, Sample

CHOICE = Choice('{"label":"', label_space("basic7").labels, '"}')
SHORT = 8
# Logits of two experts so near to each other take turns by rounding, and with them the expert that answers.
TIE = 1e-6


def session_of(base: str, data: Path, work: Path) -> Session:
    """A session whose adapter changes the answers: its weights are random."""
    import torch

    recipe = Recipe(
        model=ModelPart(path=base),
        data=DataPart(task="synthetic", folder=data),
        clip=MediaOptions(min_pixels=84 * 84, max_pixels=112 * 112),
        validation=ValidationPart(share=0.0),
        run=RunPart(track=(), cache=False),
    )
    session = open_session(recipe, work)
    torch.manual_seed(1)
    for name, parameter in session.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    session.model.eval()
    return session


def in_stretches(sample: Sample) -> Sample:
    """A clip in two stretches, each behind its time; they last differently long, so their frame rates differ."""
    (medium,) = sample.media
    media = tuple(dataclasses.replace(medium, start_s=first, end_s=last) for first, last in ((0.0, 0.5), (0.5, None)))
    marks = ["00:00-00:01", "00:01-00:02"]
    return dataclasses.replace(sample, id=f"{sample.id} in stretches", media=media, meta={MARKS: marks})


def label_logprobs(session: Session, sample: Sample) -> tuple[list[int], dict[str, float]]:
    """The question's token ids, and the label log-probabilities by transformers + peft."""
    import torch

    thinker, tokenizer = session.model.get_base_model(), session.processor.tokenizer
    question = session.maker.make(session.maker.wait(sample), learn=False)
    head = torch.tensor(tokenizer(CHOICE.head)["input_ids"])
    after = question.positions[:, -1:] + torch.arange(1, len(head) + 1)
    whole = dataclasses.replace(
        question, tokens=torch.cat([question.tokens, head]), positions=torch.cat([question.positions, after], 1)
    )
    row = join([whole])
    with torch.no_grad():
        vectors, extra = embed(thinker, row)
        out = thinker.model(inputs_embeds=vectors, position_ids=row.positions, use_cache=False, **extra)
        logits = thinker.lm_head(out.last_hidden_state[0, -1])
    tokens = first_tokens(tokenizer, CHOICE)
    scores = torch.log_softmax(logits[list(tokens.values())].float(), -1).tolist()
    return whole.tokens.tolist(), dict(zip(tokens, scores, strict=True))


def has_tie(session: Session, sample: Sample) -> bool:
    """Whether a router of a mixture of experts is undecided about a token of the question."""
    gaps: list[float] = []

    def look(module: Any, _: Any, output: Any) -> None:
        logits = output[0] if isinstance(output, tuple) else output
        best = logits.reshape(-1, logits.shape[-1]).sort(-1, descending=True).values
        gaps.append(float((best[:, module.top_k - 1] - best[:, module.top_k]).min()))

    layers = session.model.get_base_model().model.layers
    hooks = [layer.mlp.gate.register_forward_hook(look) for layer in layers if hasattr(layer.mlp, "gate")]
    label_logprobs(session, sample)
    for hook in hooks:
        hook.remove()
    return any(gap < TIE for gap in gaps)


def greedy(session: Session, samples: list[Sample]) -> dict[str, str]:
    """The first tokens of the replies, as validation asks for them."""
    maker, tokenizer = session.maker, session.processor.tokenizer
    questions = (maker.make(maker.wait(sample), learn=False) for sample in samples)
    decode = functools.partial(tokenizer.decode, skip_special_tokens=True)
    return replies_to(session.model, questions, decode, session.end, 3, SHORT)


def ask(checkpoint: Checkpoint, session: Session, samples: list[Sample]) -> dict[str, Any]:
    """What vLLM answers: token ids, label log-probabilities and greedy replies."""
    options = VllmOptions(max_model_len=2048, multiprocess=False, kv_cache_gb=1)
    engine = VllmEngine(checkpoint, options, 0, media_per_prompt=2)
    question = dataclasses.replace(session.maker._question, choice=CHOICE, schema=None)
    requests = [prepare(sample, question, lambda *_: False) for sample in samples]
    ready = [each for each in requests if isinstance(each, Request)]
    assert len(ready) == len(samples), requests
    free = [dataclasses.replace(each, choice=None) for each in ready]
    replies = {reply.id: reply for reply in engine.generate(ready, Sampling("label"))}
    texts = {reply.id: reply.text for reply in engine.generate(free, Sampling("free", max_tokens=SHORT))}
    assert not [reply.error for reply in replies.values() if reply.error]
    return {
        "tokens": {each.id: list(engine._render(each)["prompt_token_ids"]) for each in ready},
        "logprobs": {name: dict(reply.label_logprobs or {}) for name, reply in replies.items()},
        "texts": texts,
    }


def experts_as_without_lora() -> None:
    """The CPU wheel of vLLM has no kernel for experts beside a LoRA (it needs Triton). The adapter here leaves them
    alone, so they are computed as without one."""
    import vllm
    from vllm.model_executor.layers.fused_moe import unquantized_fused_moe_method as method

    vllm_engine.check_cpu_adapter = lambda checkpoint: None
    vllm.LLM = functools.partial(vllm.LLM, lora_target_modules=["qkv_proj", "o_proj"])
    choose = method.select_unquantized_moe_backend
    method.select_unquantized_moe_backend = lambda moe_config: choose(
        dataclasses.replace(moe_config, is_lora_enabled=False)
    )


def same_reply(ours: str, theirs: str) -> bool:
    """Whether two replies say the same. Random weights may end in a part of a character; vLLM holds that back."""
    return ours == theirs or (ours.endswith("\ufffd") and ours.startswith(theirs))


def main(family: str, base: str, data: Path, work: Path, clips: int) -> None:
    """Prints how far the three ways are apart."""
    import torch

    session = session_of(base, data, work / "run")
    samples = session.chosen.train[:clips]
    samples += [in_stretches(sample) for sample in samples[:2]]
    adapter = save_adapter(session.model, session.recipe, work / "adapter")
    merged = merge(adapter, work / "merged")
    ours = {sample.id: label_logprobs(session, sample) for sample in samples}
    texts = greedy(session, samples)
    with session.model.disable_adapter():
        plain = {sample.id: label_logprobs(session, sample)[1] for sample in samples}
    tied = {sample.id for sample in samples if has_tie(session, sample)}
    found: dict[str, Any] = {
        "clips": len(samples),
        "tied": len(tied),
        "effect": min(max(abs(value - plain[name][label]) for label, value in ours[name][1].items()) for name in plain),
    }
    if family == "qwen3_omni_moe" and not torch.cuda.is_available():
        experts_as_without_lora()
    for way, checkpoint in (("adapter", Checkpoint(base, adapter)), ("merged", Checkpoint(str(merged)))):
        theirs = ask(checkpoint, session, samples)
        pairs = [(ours[name][1], theirs["logprobs"][name]) for name in ours]
        apart = {name: max(abs(a[label] - b[label]) for label in a) for name, (a, b) in zip(ours, pairs, strict=True)}
        found[way] = {
            "same_tokens": sum(theirs["tokens"][name] == ours[name][0] for name in ours),
            "same_labels": sum(max(a, key=a.__getitem__) == max(b, key=b.__getitem__) for a, b in pairs),
            "same_replies": sum(same_reply(texts[name], theirs["texts"][name]) for name in ours),
            "apart": max(apart[name] for name in ours if name not in tied),
            "tied_apart": max((apart[name] for name in tied), default=0.0),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
