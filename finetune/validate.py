"""Asking the model that is being trained, in this process, and scoring its replies as `omnimer eval` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.answers import read_answers
from eval.scores import score
from finetune.examples import Example
from finetune.rows import embed, join
from infer.engine import Reply
from infer.stream.parts import Part
from tasks.task import Sample, Task

RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class Validation:
    """The outcome: the headline metric of the task with its interval, how many replies could not be read, and all
    replies by sample id."""

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    unparsed: int
    replies: dict[str, str]


def validate(
    task: Task,
    samples: Sequence[Sample],
    replies: dict[str, str],
    seed: int = 0,
    parts: Mapping[str, Part] | None = None,
) -> Validation:
    """Scores replies to samples; `task.metrics[0]` is the headline. Replies to `parts` of clips (sample id -> the part)
    are scored as one answer a clip."""
    asked: dict[str, Sample] = {}
    told: list[Reply] = []
    for sample in samples:
        part = (parts or {}).get(sample.id)
        whole = sample if part is None else part.clip
        asked[whole.id] = whole
        told.append(Reply(whole.id, "", replies[sample.id], part=None if part is None else part.record()))
    whole_samples = list(asked.values())
    answers = read_answers(whole_samples, told, task.answer)
    row = score(task, whole_samples, answers, RESAMPLES, seed).row(task.metrics[0])
    if row is None:
        raise ValueError(f"task {task.name}: its headline {task.metrics[0]!r} cannot be measured on these samples")
    return Validation(row.metric, row.value, row.low, row.high, row.n, row.unparsed, replies)


def check_metric(task: Task, samples: Sequence[Sample], parts: Mapping[str, Part]) -> None:
    """Raises ValueError where the headline cannot be measured on these samples (a table is missing, nothing has gold):
    better before the training than after its first epoch."""
    if samples:
        validate(task, samples, dict.fromkeys((sample.id for sample in samples), ""), parts=parts)


def replies_to(
    model: Any,
    questions: Iterator[Example],
    decode: Callable[[list[int]], str],
    end: int,
    batch: int,
    longest: int,
    together: Callable[[bool], bool] = bool,
) -> dict[str, str]:
    """Greedy replies to questions, by sample id. `end` is the token that ends a reply, `longest` the most tokens;
    `together(unfinished)` tells whether any process still needs a further token."""
    found: dict[str, str] = {}
    waiting: list[Example] = []
    model.eval()
    for question in questions:
        waiting.append(question)
        if len(waiting) == batch:
            found |= _ask(model, waiting, decode, end, longest, together)
            waiting = []
    if waiting:
        found |= _ask(model, waiting, decode, end, longest, together)
    return found


def _ask(
    model: Any,
    questions: Sequence[Example],
    decode: Callable[[list[int]], str],
    end: int,
    longest: int,
    together: Callable[[bool], bool],
) -> dict[str, str]:
    """Replies to a batch of questions, padded on the left."""
    import torch

    thinker = model.get_base_model()
    device = next(thinker.model.parameters()).device
    width = max(map(len, questions))
    said: list[list[int]] = [[] for _ in questions]
    with torch.no_grad():
        state = _prefill(thinker, questions, width, device)
        hidden, past, mask, following = state
        open_ = torch.ones(len(questions), dtype=torch.bool)
        for step in range(longest):
            token = thinker.lm_head(hidden).float().argmax(-1)
            for place, value in enumerate(token.tolist()):
                if open_[place]:
                    open_[place] = value != end
                    if value != end:
                        said[place].append(value)
            if step == longest - 1 or not together(bool(open_.any())):
                break
            mask = torch.cat([mask, mask.new_ones(len(questions), 1)], 1)
            places = (following + step)[None, :, None].expand(3, -1, 1)
            out = thinker.model(
                inputs_embeds=thinker.get_input_embeddings()(token)[:, None],
                attention_mask=mask,
                position_ids=places,
                past_key_values=past,
                use_cache=True,
            )
            hidden, past = out.last_hidden_state[:, -1], out.past_key_values
    return {question.id: decode(ids) for question, ids in zip(questions, said, strict=True)}


def _prefill(thinker: Any, questions: Sequence[Example], width: int, device: Any) -> tuple[Any, Any, Any, Any]:
    """Runs the questions: last hidden states, cache, attention mask, and the position of each first new token."""
    import torch

    count = len(questions)
    tokens = torch.zeros(count, width, dtype=torch.long)
    mask = torch.zeros(count, width, dtype=torch.long)
    places = torch.zeros(3, count, width, dtype=torch.long)
    for line, question in enumerate(questions):
        start = width - len(question)
        tokens[line, start:] = question.tokens
        mask[line, start:] = 1
        places[:, line, start:] = question.positions
    joined = join(questions)
    row = joined.to(device)
    vectors, extra = embed(thinker, row)
    # The vectors were computed side by side; they go to the places of their questions.
    inputs = thinker.get_input_embeddings()(tokens.to(device))
    inputs[mask.bool().to(device)] = vectors[0].to(inputs.dtype)
    if extra:
        spread = torch.zeros(count, width, dtype=torch.bool, device=device)
        spread[mask.bool().to(device)] = extra["visual_pos_masks"][0]
        extra = {**extra, "visual_pos_masks": spread}
    out = thinker.model(
        inputs_embeds=inputs,
        attention_mask=mask.to(device),
        position_ids=places.to(device),
        use_cache=True,
        **extra,
    )
    following = torch.stack([question.positions.max() + 1 for question in questions]).to(device)
    return out.last_hidden_state[:, -1], out.past_key_values, mask.to(device), following
