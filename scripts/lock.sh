#!/usr/bin/env bash
# Recompiles requirements/*.txt from pyproject.toml (after a change of dependencies). No index address is written.
set -euo pipefail
cd "$(dirname "$0")/.."
for set_name in cpu cuda; do
  .venv/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
    --extra "$set_name" --extra train --extra qwen --extra dev \
    --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
    --output-file "requirements/$set_name.txt"
done
