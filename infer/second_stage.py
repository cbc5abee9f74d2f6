"""The second of two stages: the replies of an earlier run are asked about in the place of its media.

Describe first, then extract (`omnimer infer --replies-of RUN --template ov_extract`): the first run's replies stay on
disk as they were, so that the second, greedy and text alone, can be repeated to the letter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from infer.store import read_replies, read_run
from prompts.parsing import visible
from prompts.render import REPLY, Template
from tasks.task import MediaOptions, Sample


def text_alone(options: MediaOptions) -> MediaOptions:
    """The media options of a second stage: nothing of a clip is fed."""
    return dataclasses.replace(options, video=False, audio=False, audio_in_video=False)


def with_replies(samples: Iterable[Sample], folder: Path) -> list[Sample]:
    """The samples with the reply that each got in the run at `folder` as `meta["reply"]`, without reasoning and fences.

    Of several replies the last counts. A sample without one stays as it is: it becomes an error of the second stage.
    Raises ValueError where `folder` holds no run, or its replies are to none of the samples.
    """
    read_run(folder)
    replies = {reply.id: visible(reply.text) for reply in read_replies(folder) if reply.text is not None}
    found = [
        dataclasses.replace(sample, meta={**sample.meta, REPLY: replies[sample.id]}) if sample.id in replies else sample
        for sample in samples
    ]
    if not any(REPLY in sample.meta for sample in found):
        raise ValueError(f"--replies-of {folder}: holds no reply to any of the samples; is it a run of the same task?")
    return found


def check_template(template: Template) -> None:
    """Raises ValueError for a template that leaves the earlier reply out: it would ask about nothing."""
    if REPLY not in template.body:
        raise ValueError(
            f"--replies-of: template {template.name!r} does not print {{{{ {REPLY} }}}}, the reply of the earlier run; "
            "take one that does, such as ov_extract"
        )
