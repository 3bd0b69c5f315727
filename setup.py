"""Builds the compiled part, if there is a compiler; everything else is in pyproject.toml."""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError

SOURCES = Path("aligndetr/csrc")
LIBRARY = Extension(
    "aligndetr.layers.ms_deform_attn.libmsda",
    sources=[str(SOURCES / "ms_deform_attn.cpp")],
    depends=[str(path) for path in sorted(SOURCES.glob("*.h"))],
    language="c++",
    optional=True,  # an install without a compiler works: the PyTorch formulation takes over
)
UNIX_FLAGS = [
    *("-std=c++17", "-O3", "-fvisibility=hidden", "-ffp-contract=fast", "-fno-math-errno"),
    *("-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"),
]


class BuildLibrary(build_ext):
    """Compile a plain shared library: no Python ABI in its name, OpenMP where the compiler has it."""

    def get_ext_filename(self, fullname: str) -> str:
        return os.path.join(*fullname.split(".")) + (".pyd" if os.name == "nt" else ".so")

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return ext.export_symbols  # it is no Python module, so there is no PyInit function

    def build_extension(self, ext: Extension) -> None:
        if self.compiler.compiler_type == "msvc":
            flags, openmp = ["/std:c++17", "/O2"], "/openmp"
        else:
            flags, openmp = UNIX_FLAGS, "-fopenmp"
        try:
            ext.extra_compile_args, ext.extra_link_args = [*flags, openmp], [openmp]
            if os.name == "nt":
                ext.extra_link_args = []
            super().build_extension(ext)
        except BaseError:
            print("no OpenMP: building with std::thread", file=sys.stderr)
            threads = [] if os.name == "nt" else ["-pthread"]
            ext.extra_compile_args, ext.extra_link_args = [*flags, *threads], threads
            super().build_extension(ext)


class TagWheel(bdist_wheel):
    """Tag the wheel py3-none-<platform> with the library inside and py3-none-any without."""

    def get_tag(self) -> tuple[str, str, str]:
        library = BuildLibrary.get_ext_filename(None, LIBRARY.name)
        built = any(Path(folder, library).exists() for folder in (self.bdist_dir, self.build_lib))
        platform = super().get_tag()[2]
        self.root_is_pure = not built
        return "py3", "none", platform if built else "any"

    @property
    def build_lib(self) -> str:
        return self.get_finalized_command("build").build_lib


setup(ext_modules=[LIBRARY], cmdclass={"build_ext": BuildLibrary, "bdist_wheel": TagWheel})
