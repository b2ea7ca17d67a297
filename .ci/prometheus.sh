#!/usr/bin/env bash
# Unpack Debian's Prometheus and promtool into a directory, for the tests; print where they are.
# Unpacked and not installed, so that no service is started and no user is made.
#
#   .ci/prometheus.sh DIR
set -euo pipefail

[[ $# == 1 ]] || {
    echo "usage: prometheus.sh DIR" >&2
    exit 1
}
mkdir -p "$1"
cd "$1"
{
    apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }
    dpkg-deb -x prometheus_*.deb .
    rm prometheus_*.deb
} >&2
echo "$PWD/usr/bin"
