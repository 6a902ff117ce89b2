#!/usr/bin/env bash
# Installs what is missing, then runs every test there is, two at a time on each processor. A test
# that would be skipped fails.
set -euo pipefail
cd "$(dirname "$0")/.."
# Without files of bytecode, each of the many programs that tests start compiles the package anew.
unset PYTHONDONTWRITEBYTECODE

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

missing=()
lean=() # installed without their recommendations, which are large
python3 -c "import ensurepip" 2>/dev/null || missing+=(python3-venv)
command -v strace >/dev/null || missing+=(strace)
command -v faketime >/dev/null || missing+=(faketime)
command -v chromium >/dev/null || missing+=(chromium)
/sbin/ldconfig -p | grep -q 'libatomic\.so\.1' || missing+=(libatomic1) # for playwright's own Node
command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing+=(postgresql)
command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server)
# mysqlclient is built from source.
[ -e /usr/include/mariadb/mysql.h ] || missing+=(libmariadb-dev pkg-config build-essential python3-dev)
command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
command -v sqlite3 >/dev/null || missing+=(sqlite3)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
command -v soffice >/dev/null || lean+=(libreoffice-calc)
command -v firefox-esr >/dev/null || command -v firefox >/dev/null || lean+=(firefox-esr)
command -v WebKitWebDriver >/dev/null || lean+=(webkit2gtk-driver)
command -v Xvfb >/dev/null || lean+=(xvfb) # a screen for WebKit, which cannot do without
if [ ${#missing[@]} -gt 0 ] || [ ${#lean[@]} -gt 0 ]; then
    echo "==> Installing with apt: ${missing[*]} ${lean[*]}"
    as_root apt-get update -qq
    apt_install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@"; }
    [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
    [ ${#lean[@]} -eq 0 ] || apt_install --no-install-recommends "${lean[@]}"
fi
if ! command -v npm >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
    echo "==> Node 20 or later with npm is needed for the tracker's tests: https://nodejs.org" >&2
    exit 1
fi

echo "==> Python packages into .venv, npm packages into frontend_snippets/node_modules"
npm ci --loglevel=error --no-audit --no-fund --prefix frontend_snippets &
npm_packages=$!
[ -x .venv/bin/pip ] || python3 -m venv .venv
.venv/bin/pip install --quiet --editable '.[test,mysqlclient]'

echo "==> Lint and types"
.venv/bin/ruff check
.venv/bin/ruff format --check
.venv/bin/mypy
wait "$npm_packages"

echo "==> Tests"
# Most tests wait for a server, a browser or a clock at some time: two of them share a processor.
workers=$((2 * $(nproc)))
[ "$workers" -le 8 ] || workers=8 # each has browsers and servers of its own, and so 2 GB of memory
exec .venv/bin/pytest --no-skips --numprocesses "$workers" --dist worksteal "$@"
