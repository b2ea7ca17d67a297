#!/usr/bin/env bash
# Is docker-compose.yml right? As Compose itself reads it (no Docker engine is
# needed); it refuses a missing password; its commands are the Procfile's.
# Without Compose, Debian's package is installed, which needs root.

set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."

required=(AXIOM_REDIS_PASSWORD AXIOM_POSTGRES_PASSWORD AXIOM_GRAPH_PASSWORD AXIOM_CONSOLE_PASSWORD)

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
touch "$work/env"

die() {
    printf 'check_compose: %s\n' "$*" >&2
    exit 1
}

apt_install() { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@"; }

install_compose() {
    local deadline=$((SECONDS + 60))
    ((EUID == 0)) || die "missing; install it as root: apt-get install docker-compose"
    export DEBIAN_FRONTEND=noninteractive
    until apt_install docker-compose >"$work/apt.log" 2>&1; do # another may hold its lock
        if ((SECONDS >= deadline)); then
            tail -n 20 "$work/apt.log" >&2
            die "apt-get could not install docker-compose"
        fi
        sleep 2
    done
}

# run "config" with nothing in the environment but the variables given, and no .env
config() { # NAME=VALUE...
    env -i PATH="$PATH" HOME="$HOME" "$@" "${compose[@]}" --env-file "$work/env" config --quiet 2>&1
}

if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
else
    command -v docker-compose >/dev/null || install_compose
    compose=(docker-compose)
fi

config "${required[@]/%/=user:dummy}" || die "docker-compose.yml is wrong, see above"

for missing in "${required[@]}"; do
    given=()
    for name in "${required[@]}"; do
        [[ $name == "$missing" ]] || given+=("$name=user:dummy")
    done
    for case in "" "$missing="; do # unset, then empty
        if said=$(config "${given[@]}" ${case:+"$case"}); then
            die "it is accepted without $missing"
        fi
        [[ $said == *"set $missing"* ]] || die "without $missing it fails in other words: $said"
    done
done

while IFS= read -r line; do
    name=${line%%:*}
    found=$(awk -v service="  $name:" '
        /^  [a-z]/ { inside = index($0, service) == 1 }
        inside && sub(/^    command: /, "") { print; exit }' docker-compose.yml)
    [[ $found == "${line#*: }" ]] || die "the Procfile's ${line@Q} is ${found@Q} in docker-compose.yml"
done <Procfile

echo "check_compose: docker-compose.yml is right (${compose[*]}), and wants ${required[*]}"
