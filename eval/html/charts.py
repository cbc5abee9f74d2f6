"""Numbers behind charts: the bars of a histogram."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

BARS = 24


def histogram(title: str, values: Sequence[float], digits: int = 0) -> dict[str, Any]:
    """Bars [low, high, count] of the values, with their least, middle and greatest one.

    Few distinct values get a bar each (low = high), more are binned into equal widths. `values` must not be empty.
    """
    rounded = [round(value, digits) for value in values]
    counts = Counter(rounded)
    if len(counts) <= BARS // 2:
        bars = [[value, value, count] for value, count in sorted(counts.items())]
    else:
        heights, edges = np.histogram(np.array(values, dtype=np.float64), bins=BARS)
        bars = [
            [float(low), float(high), int(count)]
            for low, high, count in zip(edges[:-1], edges[1:], heights, strict=True)
        ]
    ordered = sorted(rounded)
    return {
        "title": title,
        "digits": digits,
        "bars": bars,
        "low": ordered[0],
        "middle": ordered[len(ordered) // 2],
        "high": ordered[-1],
    }
