#!/usr/bin/env bash
# Install the programs the tests talk to: only what is missing, without starting their services.
set -euo pipefail

missing=()
need() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || missing+=("$2"); }

need storescu dcmtk
need dciodvfy dicom3tools
need Orthanc orthanc
need openssl openssl
need curl curl
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
command -v node >/dev/null || missing+=(nodejs npm)
command -v npm >/dev/null || [[ " ${missing[*]-} " == *" npm "* ]] || missing+=(npm)

if [ ${#missing[@]} -gt 0 ]; then
    sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then # Debian's way to say: do not start what is being installed
        printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
        "${sudo[@]}" chmod 755 "$policy"
        trap '"${sudo[@]}" rm -f "$policy"' EXIT
    fi
    echo "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    "${sudo[@]}" apt-get -qq update
    "${sudo[@]}" apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ -f tests/package-lock.json ] && [ ! tests/node_modules/.package-lock.json -nt tests/package-lock.json ]; then
    npm ci --prefix tests --no-audit --no-fund --loglevel=error
fi
