"""Submission files as bytes, the same bytes for the same rows: fixed times in archives, `\\n`, UTF-8 without a mark."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from eval.submit.candidates import Candidate
from eval.submit.tracks import NPZ_KEYS, PREDICTIONS, Content, Track

# Official machines run numpy 1 and numpy 2: the name of the module that rebuilds an array is the one that both know.
_NEW, _OLD = b"cnumpy._core.multiarray\n_reconstruct\n", b"cnumpy.core.multiarray\n_reconstruct\n"


def encode(track: Track, candidates: Sequence[Candidate], contents: Sequence[Content]) -> bytes:
    """The submission file of a track: one content (see `tracks.Content`) for each candidate, in their order."""
    rows = list(zip(candidates, contents, strict=True))
    if track.suffix.endswith(".npz"):
        return _npz(track, rows)
    data = _json(rows) if track.shape == "blend" else _csv(track, rows)
    return archive([(track.member, data)]) if track.member else data


def archive(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip of members, each dated 1980, readable by all."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        for name, data in members:
            entry = zipfile.ZipInfo(name)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            target.writestr(entry, data)
    return stream.getvalue()


def _csv(track: Track, rows: Iterable[tuple[Candidate, Any]]) -> bytes:
    lines = [",".join(track.columns)]
    for candidate, content in rows:
        match track.shape:
            case "labels":
                cells = [list_text(content, track)]
            case "traits":
                cells = [f"{number:.6f}" for number in content]
            case "choice":
                cells = [candidate.a1, candidate.a2, content]
            case _:
                cells = [content]
        lines.append(",".join(map(_cell, (candidate.name, *cells))))
    return "".join(line + "\n" for line in lines).encode()


def _cell(text: str) -> str:
    """A csv cell; in quotes only where it has to be (the csv module leaves a lone carriage return bare)."""
    doubled = text.replace('"', '""')
    return f'"{doubled}"' if any(mark in text for mark in ',"\n\r') else text


def list_text(labels: Sequence[str], track: Track) -> str:
    """`[a, b]`, or `['a', 'b']` where the track takes Python lists. Brackets keep a cell such as `none` from being
    read as a missing value."""
    quote = "'" if track.python_list else ""
    return "[" + ", ".join(f"{quote}{label}{quote}" for label in labels) + "]"


def _json(rows: Iterable[tuple[Candidate, Any]]) -> bytes:
    predictions = {
        candidate.name: [{"emotion": name, "salience": share} for name, share in content] for candidate, content in rows
    }
    return (json.dumps({PREDICTIONS: predictions}, ensure_ascii=False, indent=1) + "\n").encode()


def _npz(track: Track, rows: Sequence[tuple[Candidate, Any]]) -> bytes:
    names = [candidate.name for candidate, _ in rows]
    if track.shape == "labels":
        texts = [list_text(content, track) for _, content in rows]
        members = [(key, _array(values)) for key, values in zip(NPZ_KEYS, (names, texts), strict=True)]
    else:
        members = [(track.columns[0], _mapping(dict(zip(names, (content for _, content in rows), strict=True))))]
    return archive((f"{key}.npy", data) for key, data in members)


def _array(texts: list[str]) -> bytes:
    """A one-dimensional unicode array as npy; no pickle, and the official loader reads it all the same."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array(texts, dtype=np.str_), version=(1, 0), allow_pickle=False)  # type: ignore[no-untyped-call]
    return stream.getvalue()


def _mapping(texts: dict[str, str]) -> bytes:
    """A 0-d object array that holds a dict, as npy: the official form of descriptions, which is a pickle."""
    fresh = json.loads(json.dumps(texts))  # a pickle tells equal strings from the same string; afterwards none are same
    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[no-untyped-call]
    body = pickle.dumps(np.array(fresh, dtype=object), protocol=3)
    return stream.getvalue() + body.replace(_NEW, _OLD, 1)
