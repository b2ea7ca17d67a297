#!/usr/bin/env bash
# Have Debian's Chromium, for the browser tests. Without it the package is installed, which
# needs root.
set -euo pipefail

[[ ! -x /usr/bin/chromium ]] || exit 0
((EUID == 0)) || {
    echo "chromium: missing; install it as root: apt-get install chromium" >&2
    exit 1
}
export DEBIAN_FRONTEND=noninteractive
deadline=$((SECONDS + 120))
until apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium >/dev/null; do
    ((SECONDS < deadline)) || exit 1 # another may hold its lock
    sleep 2
done
