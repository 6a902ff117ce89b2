"""The table of figures: measures those that are named, and prints all that have been measured.

`python -m tests.figures F2 F3=40` measures two, one with an N of its own; without a name, all.
What was measured is kept in tests/figures/results.json; with `--quick` nothing is.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys

from tests.faults.progress import say
from tests.figures import results
from tests.figures.figure import Figure
from tests.figures.figures import FIGURES

BY_NUMBER = {figure.number: figure for figure in FIGURES}


def asked_for(text: str) -> tuple[Figure, int]:
    """Return the figure that an argument names, and the N it gives, 0 for none."""
    number, _, n = text.partition("=")
    if number not in BY_NUMBER:
        raise argparse.ArgumentTypeError(f"{number!r} is none of {', '.join(BY_NUMBER)}")
    if n and not (n.isdecimal() and int(n)):
        raise argparse.ArgumentTypeError(f"{n!r} is no N")
    return BY_NUMBER[number], int(n or 0)


def measure(figure: Figure, n: int) -> results.Result | None:
    """Measure a figure; return None where it has no way to be measured yet."""
    with contextlib.redirect_stdout(sys.stderr):  # the table alone is for the reader's file
        if figure.run is None:
            say(f"== {figure.number}: not there yet")
            return None
        say(f"== {figure.number}: {figure.what} ({n:,} {figure.unit})")
        return results.Result(n, figure.run(n), results.versions())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.figures", description=__doc__)
    parser.add_argument("figures", nargs="*", type=asked_for, metavar="F1[=N]")
    parser.add_argument("--quick", action="store_true", help="a small N; nothing is kept")
    parser.add_argument("--table", action="store_true", help="measure nothing, print what is kept")
    options = parser.parse_args()
    # The servers are not in our process group: whoever ends us ends them by our way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    measured: dict[str, results.Result] = {}
    if not options.table:
        for figure, n in options.figures or [(figure, 0) for figure in FIGURES]:
            n = n or (figure.quick if options.quick else figure.full)
            if (result := measure(figure, n)) is not None:
                measured[figure.number] = result
                if not options.quick:
                    results.save(figure.number, result, FIGURES)
    say(results.markdown(FIGURES, measured if options.quick else results.load()))
    return 0 if results.is_as_promised(measured) else 1


if __name__ == "__main__":
    sys.exit(main())
