"""Timelines of clips that are too long for one question, or that are answered while they run.

A clip is asked about in parts, in one of these modes:

    whole     one question about the whole clip (`auto` takes it where the clip fits the model)
    windows   stretches of the clip one after another, cut at pauses, overlapping; each is told what came before
    given     every utterance by itself, its times being given, with its neighbours' text
    online    every utterance when it ends: nothing after it is seen or heard, past answers are told

With times between pictures and sound (`marks`), wholes and windows are fed in stretches, each behind the time of the
utterance in it; such a whole is a part too, the only one.

Each part has a reply of its own in replies.jsonl, `part` naming its place; eval/stitch.py makes one timeline of them.
Parts that need earlier answers are asked in waves: part k of every clip in one batch.
"""
