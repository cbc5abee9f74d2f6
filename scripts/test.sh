#!/usr/bin/env bash
# Everything that has to hold: style, types, tests (the real engine included). Options go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
bash scripts/setup_browser.sh  # for the tests of report.html; they skip where none can be installed
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
export GOMP_SPINCOUNT=20000  # as omnimer.py sets it: threads that wait give their core away
exec .venv/bin/python -m pytest "$@"
