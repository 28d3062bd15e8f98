#!/bin/sh
# Makes a virtual environment of exactly the packages of a requirements file, once, and prints its Python's path.
#
#   test/python.sh [--python 3.X] NAME REQUIREMENTS_FILE [flags of uv pip install ...]
#
# The environment lies in .cache/NAME-HASH at the repository's root. HASH covers all that goes into it, so a changed
# requirements file makes another one and an unchanged one costs nothing. Only the path goes to stdout.
#
# --python asks for that version. uv takes one that the machine has, and downloads one only where it has none. Without
# it, the environment has the python3 of the PATH.
#
# Needed: python3 with its venv module, and PyPI the first time. The variables of pip and uv, such as UV_DEFAULT_INDEX,
# hold.
set -eu

uv_version=0.13.9

usage() {
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

wanted=
if [ "${1-}" = --python ] && [ $# -ge 2 ]; then
	wanted=$2
	shift 2
fi
[ $# -ge 2 ] || usage
name=$1 requirements=$2
shift 2
[ -r "$requirements" ] || {
	echo "python.sh: reading $requirements: there is no such file; expected a requirements file" >&2
	exit 2
}

cache=$(cd "$(dirname "$0")/.." && pwd)/.cache
mkdir -p "$cache"

# An environment is built aside and then renamed, so that neither a run that breaks off nor two runs at once leave half
# of one. Where two runs finish at once, the first one's stays.
work=
trap 'if [ -n "$work" ]; then rm -rf "$work"; fi' EXIT
trap 'exit 130' HUP INT TERM
settle() { # settle DIRECTORY: gives the work its name
	[ -e "$1" ] || mv "$work" "$1"
	rm -rf "$work"
	work=
}

install_uv() {
	uv_home=$cache/uv-$uv_version
	uv=$uv_home/bin/uv
	[ -x "$uv" ] && return
	echo "python.sh: installing uv $uv_version into $uv_home" >&2
	work=$uv_home.$$
	python3 -m venv "$work" >&2 || {
		echo "python.sh: python3 -m venv failed; install python3 and its venv module (Debian: python3-venv)" >&2
		exit 1
	}
	"$work/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version" >&2
	settle "$uv_home"
}

digest() { python3 -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest()[:16])'; }

hash=$({ printf '%s\n' 1 "$uv_version" "$wanted" "$@" && cat "$requirements"; } | digest)
dir=$cache/$name-$hash
python=$dir/bin/python

# The Python it was made with may have gone since; then the environment is made anew.
if [ -e "$dir" ] && ! "$python" -c '' 2>/dev/null; then
	rm -rf "$dir"
fi
if ! [ -e "$dir" ]; then
	install_uv
	work=$dir.$$
	echo "python.sh: making $dir from $requirements" >&2
	"$uv" venv --quiet --relocatable --python "${wanted:-python3}" "$work" >&2 || {
		echo "python.sh: Python ${wanted:-3} is neither on this machine nor to be had; install it and put it on the PATH" >&2
		exit 1
	}
	"$uv" pip install --quiet --python "$work/bin/python" --requirements "$requirements" "$@" >&2
	settle "$dir"
fi
echo "$python"
