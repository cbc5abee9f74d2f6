#!/usr/bin/env bash
# Chromium for the tests of report.html, from the system's packages where that is possible (Debian, Ubuntu; as root).
# Never fails: without a browser those tests are skipped and say so.
set -uo pipefail
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null && exit 0
done
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  echo "setup_browser: no Chromium here, and no way to install one (apt-get as root); browser tests are skipped" >&2
  exit 0
fi
echo "setup_browser: installing Chromium and a font for Chinese" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { timeout 120 apt-get update -qq && timeout 480 apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk; } >"$log" 2>&1; then
  echo "setup_browser: Chromium could not be installed; browser tests are skipped. The last lines of apt-get:" >&2
  tail -n 3 "$log" >&2
fi
rm -f "$log"
exit 0
