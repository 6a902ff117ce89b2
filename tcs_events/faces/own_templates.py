"""Templates of our own pages."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def own_templates(package: str, folder: str) -> Environment:
    """Return the templates in a folder of a package.

    They have an environment of their own: the host may have switched autoescape off in its one.
    """
    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
