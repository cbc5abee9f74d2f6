#!/usr/bin/env bash
# From nothing to a score table: installs what is needed into .venv, then runs `omnimer demo` with your options.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
exec .venv/bin/omnimer demo "$@"
