"""From a sample to the messages that a model gets. The one way in, for inference and for training.

Templates are text files in prompts/templates: a short header (name, version, languages, reply, source), a line `---`,
then Jinja2 text. `load_template` takes the name of one or the path of any text file of your own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from prompts.schema import schema
from tasks.task import AnswerKind, AnyOf, Blend, Described, MediaOptions, OneOf, Pick, Record, Sample, Task, Timeline

FOLDER = Path(__file__).parent / "templates"
HEADER = ("name", "version", "languages", "reply", "source")


class Item(TypedDict, total=False):
    """One part of a message: text, or a reference to a medium of the sample by its index. Text that names a medium is
    of no use without it."""

    type: str
    text: str
    media: int


class Message(TypedDict):
    """One turn: its role and its parts."""

    role: str
    content: list[Item]


Messages = list[Message]

# The key of a sample's meta that holds the reply of an earlier run (`omnimer infer --replies-of`).
REPLY = "reply"
# The key that holds, for each medium, the time that is written before it; "" for none.
MARKS = "stream_marks"
# Put before the question where times are written.
STRETCHED = "Pictures and sound come in stretches; the time of the utterance in it stands before each."
# Put behind the question by `--thinking`; the parser reads the answer block alone.
THINKING = (
    "First reason about the cues step by step between <think> and </think>. "
    "Then give the answer, in the form asked for and nothing else, between <answer> and </answer>."
)


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt template: where it comes from, the form of reply it asks for (`json` or `text`), its Jinja2 text."""

    name: str
    version: str
    languages: str
    reply: str
    source: str
    body: str


def template_names() -> tuple[str, ...]:
    """Names of the templates that ship, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.txt")))


@cache
def load_template(name: str) -> Template:
    """The template called `name`, or the text file at the path `name`.

    A file without a header is a body alone; its name and version are the file's. Raises ValueError when there is
    neither, or when a header line is malformed.
    """
    shipped = FOLDER / f"{name}.txt"
    own = Path(name)
    if name in template_names():
        path = shipped
    elif _is_file(own):
        path = own
    else:
        raise ValueError(f"no template {name[:80]!r}: neither a file nor one of {', '.join(template_names())}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is no UTF-8 text; a prompt template was expected") from None
    head, mark, body = text.partition("\n---\n")
    if not mark:
        return Template(path.stem, "own", "any", "text", path.name, text)
    fields: dict[str, str] = {}
    for number, line in enumerate(head.splitlines(), 1):
        key, colon, value = line.partition(":")
        if not colon or key.strip() not in HEADER:
            raise ValueError(f"{path}, line {number}: {line!r} is no header line; legal: {', '.join(HEADER)}")
        fields[key.strip()] = value.strip()
    missing = [key for key in HEADER if key not in fields]
    if missing:
        raise ValueError(f"{path}: the header lacks {', '.join(missing)}")
    if fields["reply"] not in ("json", "text"):
        raise ValueError(f"{path}: reply is {fields['reply']!r}; legal: json, text")
    return Template(body=body, **fields)


def _is_file(path: Path) -> bool:
    """Whether the path is a file; False for what cannot be a path (a whole prompt given in place of a file)."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@cache
def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        autoescape=False,
    )


def _label_lists(kind: AnswerKind) -> dict[str, list[str]]:
    """The label lists that a template of this kind may print."""
    match kind:
        case OneOf(labels=labels) | AnyOf(labels=labels) | Blend(labels=labels):
            return {"labels": list(labels)}
        case Record(emotion=emotion, goemotions=goemotions):
            return {"labels": list(emotion.labels), "goemotions": list(goemotions.labels)}
        case Timeline(primary=primary, secondary=secondary):
            return {"labels": list(primary.labels), "goemotions": list(secondary.labels)}
        case Described(labels=open_set):
            return {"labels": list(open_set.labels)}
        case Pick(options=options):
            return {"labels": list(options)}
        case _:
            return {"labels": []}


def plain(text: str) -> str:
    """Data text in which no special token of a chat format can hide: a transcript cell is not to be trusted."""
    return text.replace("<|", "< |")


def _question(task: Task, sample: Sample, options: MediaOptions, template: Template, transcript: bool) -> str:
    """The template's text for one sample."""
    kinds = {medium.kind for medium in sample.media}
    sees = options.video and "video" in kinds
    hears = options.audio and bool(kinds)
    values: dict[str, Any] = {
        **_label_lists(task.answer),
        "schema": json.dumps(schema(task.answer), ensure_ascii=False),
        "language": plain(sample.language),
        "transcript": plain(sample.text) if transcript else "",
        "context": [plain(line) for line in sample.context],
        "meta": {key: plain(str(value)) for key, value in sample.meta.items()},
        "reply": plain(str(sample.meta.get(REPLY, ""))),
        "video": sees,
        "audio": hears,
    }
    named = {"audio": hears, "visual": sees, "transcript": bool(values["transcript"])}
    values["cues"] = " or ".join(name for name, there in named.items() if there) or "available"
    try:
        return _environment().from_string(template.body).render(values).strip()
    except (
        TemplateError,
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:
        # A template is a small program: whatever its text does wrong is its author's to know, not a traceback.
        raise ValueError(
            f"template {template.name!r} cannot be rendered for task {task.name!r}: {type(error).__name__}: {error}"
        ) from error


def render(
    task: Task,
    sample: Sample,
    options: MediaOptions,
    *,
    template: Template | None = None,
    transcript: bool = True,
    system: str | None = None,
    thinking: bool = False,
) -> Messages:
    """The messages for one sample: media first (behind their times, where these are marked), question last (so that
    questions on one clip share their prefix).

    `template` None takes the task's own. `transcript` False leaves the sample's text out. `system` None adds no system
    turn, so the model's chat template puts in its own default. `thinking` asks for reasoning before the answer. Raises
    ValueError when the template asks for something that the task does not have.
    """
    template = template or load_template(task.template)
    question = _question(task, sample, options, template, transcript) + (f"\n\n{THINKING}" if thinking else "")
    content: list[Item] = []
    marks = sample.meta.get(MARKS) or [""] * len(sample.media)
    if any(marks):
        question = f"{STRETCHED}\n\n{question}"
    for index, (medium, mark) in enumerate(zip(sample.media, marks, strict=True)):
        if mark:
            content.append({"type": "text", "text": f"\n{mark}\n", "media": index})
        if medium.kind == "video" and options.video:
            content.append({"type": "video", "media": index})
        if options.audio and not (options.audio_in_video and medium.kind == "video"):
            content.append({"type": "audio", "media": index})
    content.append({"type": "text", "text": question})
    messages: Messages = [{"role": "user", "content": content}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
    return messages
