"""The folder `aligndetr/runtime` of this checkout as the module `aligndetr_runtime`."""

import os
import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist

NAME = "aligndetr_runtime"
HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent / "aligndetr"
FOLDER = os.path.relpath(PACKAGE / "runtime", HERE)


class NoSource(sdist):
    """A source distribution would lack its sources: they lie outside of this folder."""

    def run(self) -> None:
        """Say what to do in its place."""
        raise SystemExit("only wheels are made of it: pip wheel --no-deps ./runtime")


def version() -> str:
    """The one version, which stands in the package's `__init__.py`."""
    return re.search(r'__version__ = "(.+)"', (PACKAGE / "__init__.py").read_text()).group(1)


setup(
    version=version(),
    packages=[NAME, *(f"{NAME}.{each}" for each in find_packages(FOLDER))],
    package_dir={NAME: FOLDER},
    package_data={NAME: ["py.typed"]},
    cmdclass={"sdist": NoSource},
)
