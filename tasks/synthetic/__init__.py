"""The synthetic benchmark: talking heads that the project draws itself, with labels that are true by construction.

Every emotion is a drawn face and a summed voice. Six of the seven come in pairs that share everything but one cue:

    Fear, Surprise     one face; told apart by the voice alone (high, trembling, fast / one strong rise)
    Anger, Disgust     one voice (low, loud, harsh); told apart by the face alone (bared teeth / wrinkled nose, lip)
    Joy, Sadness       one voice and the same frames; told apart by their order alone (a smile comes / goes)
    Neutral            flat in both

So what a model loses without sound, pictures or order is known in advance: see `IDEAL_ACCURACY`.

`generate` writes a data set, `generate_variant` its clips without one thing; `tasks.synthetic.clip` draws, changes and
writes single clips (`draw_clip`, `variant`, `write_clip`).
"""

from tasks.synthetic.benchmark import IDEAL_ACCURACY, SYNTHETIC, SYNTHETIC_COMPACT, compact_samples, samples
from tasks.synthetic.folder import generate, generate_variant

__all__ = [
    "IDEAL_ACCURACY",
    "SYNTHETIC",
    "SYNTHETIC_COMPACT",
    "compact_samples",
    "generate",
    "generate_variant",
    "samples",
]
