"""Builds the compiled part, if there is a compiler; everything else is in pyproject.toml."""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

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
    """Compile a plain shared library, with OpenMP where the compiler has it."""

    def get_ext_filename(self, fullname: str) -> str:
        """Path of the library: its name has no Python ABI, for it has none."""
        return os.path.join(*fullname.split(".")) + (".pyd" if os.name == "nt" else ".so")

    def get_export_symbols(self, ext: Extension) -> list[str]:
        """Nothing more than the source exports: a plain library has no PyInit function."""
        return ext.export_symbols

    def build_extension(self, ext: Extension) -> None:
        """Compile with OpenMP, else with std::thread; leave no old library when both fail."""
        windows = self.compiler.compiler_type == "msvc"
        flags = ["/std:c++17", "/O2"] if windows else UNIX_FLAGS
        openmp, threads = ("/openmp", []) if windows else ("-fopenmp", ["-pthread"])
        try:
            ext.extra_compile_args = [*flags, openmp]
            ext.extra_link_args = [] if windows else [openmp]
            super().build_extension(ext)
        except Exception:
            print("no OpenMP here: trying std::thread", file=sys.stderr)
            Path(self.get_ext_fullpath(ext.name)).unlink(missing_ok=True)
            ext.extra_compile_args, ext.extra_link_args = [*flags, *threads], threads
            super().build_extension(ext)


class TagWheel(bdist_wheel):
    """Tag the wheel py3-none-<platform> with the library inside and py3-none-any without."""

    def get_tag(self) -> tuple[str, str, str]:
        """Python tag, ABI and platform, once the build has shown what there is."""
        library = BuildLibrary.get_ext_filename(None, LIBRARY.name)
        build_lib = self.get_finalized_command("build").build_lib
        built = any(Path(folder, library).exists() for folder in (self.bdist_dir, build_lib))
        platform = super().get_tag()[2]
        self.root_is_pure = not built
        return "py3", "none", platform if built else "any"


setup(ext_modules=[LIBRARY], cmdclass={"build_ext": BuildLibrary, "bdist_wheel": TagWheel})
