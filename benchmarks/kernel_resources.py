"""Compile the Triton kernels ahead of time, without a GPU: what they take of one.

python -m benchmarks.kernel_resources    (needs `pip install aligndetr[kernels]`; some minutes)

Writes benchmarks/results/kernel_resources.json and the table of docs/kernels.md.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import triton
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, CompiledKernel

from aligndetr.files import atomic_write
from aligndetr.layers.ms_deform_attn import triton_kernels
from aligndetr.layers.ms_deform_attn.triton_calls import constants, sum_constants
from benchmarks.generated import replace_section
from benchmarks.measure import describe_machine

DOCS = Path(__file__).parents[1] / "docs/kernels.md"
RESULTS = Path(__file__).parent / "results/kernel_resources.json"
ARCHITECTURES = (80, 90, 100)
DTYPES = ("fp32", "bf16", "fp16")
CHANNELS = (8, 16, 32, 64, 128, 256)
KERNELS = ("attend", "differentiate_points", "scatter_value", "note_value", "sum_notes")
HEADS = 8
USUAL = (4, 4, 4)  # size of a reference, levels, points of a level
OTHERS = ((0, 4, 4), (2, 4, 4), (4, 5, 4), (4, 4, 8))
FIXED = {
    "levels": "*i32",
    "reference": "*fp32",
    "grad_value": "*fp32",
    "grad_reference": "*fp32",
    "tokens": "*i64",
    "order": "*i64",
    "begins": "*i64",
    "factors": "*fp32",
    "S": "i32",
    "Q": "i32",
}


@dataclass(frozen=True)
class Variant:
    """One way to compile a kernel.

    Attributes:
        kernel: its name.
        architecture: compute capability times ten.
        dtype: of the value.
        channels: of a head.
        size: numbers of a reference; 0 for locations and weights.
        levels, points: L and P.
    """

    kernel: str
    architecture: int
    dtype: str
    channels: int
    size: int
    levels: int
    points: int


def variants() -> Iterator[Variant]:
    """Every kernel, architecture, dtype and head size; other references and points at 32."""
    for kernel, architecture, dtype in itertools.product(KERNELS, ARCHITECTURES, DTYPES):
        for channels in CHANNELS if kernel != "note_value" else (32,):  # it sees no channels
            yield Variant(kernel, architecture, dtype, channels, *USUAL)
        for other in OTHERS if kernel != "sum_notes" else ():
            yield Variant(kernel, architecture, dtype, 32, *other)


def compile_variant(variant: Variant) -> CompiledKernel:
    """Compile as a launch with aligned tensors does."""
    kernel = getattr(triton_kernels, variant.kernel)
    known: dict[str, Any] = constants(
        variant.size, HEADS, variant.channels, variant.levels, variant.points
    )
    if variant.kernel == "sum_notes":
        known = sum_constants(known)
    if not variant.size:
        known |= {"reference": None, "grad_reference": None}
    options = {name: known.pop(name) for name in ("num_warps", "enable_fp_fusion")}
    signature = {}
    for name in kernel.arg_names:
        narrow = variant.dtype if variant.size or name in ("value", "out", "grad_out") else "fp32"
        signature[name] = "constexpr" if name in known else FIXED.get(name, f"*{narrow}")
    place = {name: (index,) for index, name in enumerate(kernel.arg_names)}
    aligned = [["tt.divisibility", 16]]
    source = ASTSource(
        kernel,
        signature=signature,
        constexprs={place[name]: value for name, value in known.items() if name in place},
        attrs={place[name]: aligned for name, kind in signature.items() if kind[0] == "*"},
    )
    return triton.compile(source, GPUTarget("cuda", variant.architecture, 32), options)


def resources(compiled: CompiledKernel) -> dict[str, int]:
    """Registers and stack bytes of a thread, where spilled registers go, and shared memory."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        command = [knobs.nvidia.cuobjdump.path, "--dump-resource-usage", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = dict(re.findall(r"\b(REG|STACK|LOCAL):(\d+)", text))
    return {
        "registers": int(found["REG"]),
        "spilled": int(found["STACK"]) + int(found["LOCAL"]),
        "shared": compiled.metadata.shared,
    }


def source_hash() -> str:
    """Of the kernels and their launch options: a table of other ones is out of date."""
    folder = Path(triton_kernels.__file__).parent
    texts = [(folder / f"triton_{name}.py").read_bytes() for name in ("kernels", "calls")]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]


def table(rows: list[dict[str, Any]]) -> str:
    """Registers for each dtype by kernel, head size and architecture."""
    heads = [f"sm_{architecture}" for architecture in ARCHITECTURES]
    lines = [
        f"| kernel | channels | L x P, reference | {' | '.join(heads)} | shared | spilled |",
        "|---|---:|---|---:|---:|---:|---:|---:|",
    ]
    shapes = {(r["kernel"], r["channels"], r["levels"], r["points"], r["size"]): 0 for r in rows}
    for shape in sorted(shapes, key=lambda s: (KERNELS.index(s[0]), (s[4], *s[2:4]) != USUAL, s)):
        names = ("kernel", "channels", "levels", "points", "size")
        mine = [row for row in rows if tuple(row[name] for name in names) == shape]
        cells = [
            " / ".join(
                str(row["registers"])
                for dtype in DTYPES
                for row in mine
                if (row["architecture"], row["dtype"]) == (architecture, dtype)
            )
            for architecture in ARCHITECTURES
        ]
        kernel, channels, levels, points, size = shape
        form = {0: "none", 2: "points", 4: "boxes"}[size]
        worst = [max(row[name] for row in mine) for name in ("shared", "spilled")]
        lines.append(
            f"| `{kernel}` | {channels} | {levels} x {points}, {form} | {' | '.join(cells)} | "
            f"{worst[0]} | {worst[1]} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Compile all, keep the figures."""
    rows = []
    for variant in variants():
        rows.append(asdict(variant) | resources(compile_variant(variant)))
        print(rows[-1], flush=True)
    found = {"triton": triton.__version__, "source": source_hash(), "rows": rows}
    write_rows({"machine": describe_machine(), "results": found})
    replace_section(DOCS, "kernel_resources", table(rows))


def write_rows(found: dict[str, Any]) -> None:
    """A line each row."""
    with atomic_write(RESULTS) as file:
        file.write(json.dumps(found).replace(', {"kernel"', ',\n{"kernel"') + "\n")


if __name__ == "__main__":
    main()
