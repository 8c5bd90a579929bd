#!/bin/sh
# need-npm.sh FOLDER PACKAGE@VERSION... - npm packages that only tests use, into FOLDER; says which before it does.
set -eu
folder=$1
shift
[ "$(cat "$folder/.done" 2>/dev/null)" = "$*" ] && exit 0
command -v npm >/dev/null || "$(dirname "$0")/need.sh" nodejs npm
echo "gapsweep: installing with npm, for the tests: $*"
mkdir -p "$folder"
npm install --prefix "$folder" --no-save --no-package-lock --no-audit --no-fund --loglevel=error "$@" >/dev/null
echo "$*" >"$folder/.done"
