"""The packages. All else is in setup.cfg."""

from setuptools import find_packages, setup

setup(
    # pytest imports its plugins in every project of an environment. Under a name of its own, ours
    # does not import `tcs_events`, and so not Flask.
    packages=[
        *find_packages(include=["tcs_events*"], exclude=["tcs_events.testing.pytest_plugin"]),
        "pytest_tcs_events",
    ],
    package_dir={"pytest_tcs_events": "tcs_events/testing/pytest_plugin"},
)
