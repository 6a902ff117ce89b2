#!/usr/bin/env bash
# Runs the tests of every day, several at a time: SQLite, and PostgreSQL and MariaDB for what is
# about them, where they are installed. It installs Python packages alone. `bash tests/all.sh`
# runs the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE # else each program that a test starts compiles the package anew

[ -x .venv/bin/pip ] || python3 -m venv .venv
if ! .venv/bin/python -c "import tcs_events, xdist" 2>/dev/null; then
    .venv/bin/pip install --quiet --editable '.[test]'
fi

# Left out by their markers too; ignored, they need not be read.
ignored=()
for folder in benchmarks browser deployment faults figures frontend packaging; do
    ignored+=("--ignore=tests/$folder")
done
exec .venv/bin/pytest -q --numprocesses "$(nproc)" --dist worksteal --one-database \
    -m "not proof and not timing" "${ignored[@]}" "$@"
