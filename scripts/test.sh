#!/usr/bin/env bash
# Everything that has to hold: style, types, tests (the real engine included). Options go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
bash scripts/setup_browser.sh  # for the tests of report.html; they skip where none can be installed
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
export OMP_WAIT_POLICY=PASSIVE  # as omnimer.py sets it: without, a test beside another process took 40 s in place of 6
exec .venv/bin/python -m pytest "$@"
