#!/bin/sh
# need.sh [--ask] PACKAGE... - installs the Debian packages that are missing; says which before it does, or asks.
set -eu
ask=
if [ "$1" = --ask ]; then
	ask=1
	shift
fi
missing=
for p in "$@"; do
	dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
	echo "gapsweep needs these packages (Debian's names):$missing" >&2
	exit 69
fi
if [ -n "$ask" ]; then
	printf 'gapsweep: install with apt-get:%s? [y/N] ' "$missing"
	answer=
	read -r answer || true
	case $answer in
	y | Y | yes) ;;
	*) echo "gapsweep: nothing installed" >&2; exit 69 ;;
	esac
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
	sudo=sudo
fi
echo "gapsweep: installing with apt-get:$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
