"""Run by the wheel's user: the package comes from the wheel and imports without its compiled part.

Usage: python check_wheel.py FOLDER_THAT_MUST_HOLD_THE_PACKAGE
"""

import os
import subprocess
import sys
from pathlib import Path

import aligndetr

package = Path(aligndetr.__file__).resolve().parent
assert package.is_relative_to(Path(sys.argv[1]).resolve()), f"imported from {package}"

for name in ("page.css", "viewer.html", "run_page.js", "echarts/echarts.common.min.js"):
    assert (package / "report" / name).is_file(), f"the wheel has no report/{name}"

code = """
import torch
from aligndetr.layers.ms_deform_attn import ms_deform_attn
value = torch.rand(1, 4, 1, 2)
out = ms_deform_attn(value, [(2, 2)], torch.rand(1, 3, 1, 1, 2, 2), torch.rand(1, 3, 1, 1, 2))
print("without the compiled part:", tuple(out.shape))
"""
libraries = [*package.rglob("*.so"), *package.rglob("*.dylib"), *package.rglob("*.dll")]
print("compiled libraries in the wheel:", [library.name for library in libraries] or "none")
hidden = [library.rename(library.with_suffix(".hidden")) for library in libraries]
try:
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
finally:
    for library, original in zip(hidden, libraries, strict=True):
        library.rename(original)
