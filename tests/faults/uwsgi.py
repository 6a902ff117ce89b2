"""`python -m tests.faults.uwsgi OPTIONS`: uWSGI, which its wheel brings as a module."""

from __future__ import annotations

import sys

import pyuwsgi

pyuwsgi.run(sys.argv[1:])
