"""Keeps what the model libraries say about themselves off a user's terminal."""

from __future__ import annotations

import logging
import os
import warnings


def quiet() -> None:
    """Hides their warnings at start; errors are shown. Called before the libraries are imported."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"vllm\..*")
    for name in ("torch.utils.cpp_extension", "vllm.triton_utils.importing", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)
