"""A plugin of pytest that notes which features passed where (docs/support.md).

python -m pytest -p tests.support_record [tests...]     # adds to docs/support/<machine>.json
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from pathlib import Path

import torch

from aligndetr.files import atomic_write

FOLDER = Path(__file__).parents[1] / "docs/support"
SEVERAL = ["data_parallel", "desync", "distributed", "elastic", "hang_watch", "launch"]
SEVERAL += ["many_processes", "process_group", "sharding"]
FEATURES = {  # the first that a test's path begins with
    "several processes": tuple(f"tests/engine/test_{name}.py" for name in SEVERAL),
    "compiled operator": ("tests/layers/test_ms_deform_attn.py",),
    "Triton kernels": ("tests/gpu_offline/",),
    "export to ONNX": ("tests/export/test_onnx",),
    "export to OpenVINO": ("tests/export/test_openvino",),
    "export to .pt2": ("tests/export/test_torch",),
    "export, all formats": ("tests/export/",),
    "commands": ("tests/commands/", "tests/test_cli.py", "tests/tools/"),
    "configs": ("tests/config/", "tests/initial_config/"),
    "data": ("tests/data/", "tests/doctor/"),
    "models": ("tests/modeling/", "tests/layers/", "tests/structures/", "tests/projects/"),
    "losses, matching": ("tests/criterions/", "tests/matchers/", "tests/parity/"),
    "training": ("tests/engine/",),
    "evaluation": ("tests/evaluation/", "tests/analysis/"),
    "prediction": ("tests/runtime/", "tests/test_predictor"),
    "other toolboxes": ("tests/interop/", "tests/checkpoint_file/"),
    "hub": ("tests/hub/",),
    "faults and interruptions": ("tests/faults/", "tests/soak/"),
    "documentation, notebooks": ("tests/documentation/",),
    "reports": ("tests/explanation/", "tests/report/", "tests/visualization/"),
}
OUTCOMES = ("passed", "failed", "skipped")


def feature_of(path: str) -> str:
    """The feature that a test belongs to, "the rest" if to none in particular."""
    kinds = (name for name, starts in FEATURES.items() if path.startswith(starts))
    return next(kinds, "the rest")


def machine(gpu: bool) -> dict[str, str]:
    """What a result is of."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": ".".join(platform.python_version_tuple()[:2]),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if gpu else "CPU",
    }


def merged(record: dict, counts: dict[str, Counter]) -> dict:
    """A record with the features that ran just now in place of their earlier results."""
    ran = {name: {key: counter[key] for key in OUTCOMES} for name, counter in counts.items()}
    return {**record, "features": {**record.get("features", {}), **ran}}


class Recorder:
    """Counts outcomes by feature and writes them when the tests are over."""

    def __init__(self, gpu: bool) -> None:
        self.machine = machine(gpu)
        self.counts: dict[str, Counter] = {}

    def pytest_runtest_logreport(self, report) -> None:
        """Count a test once: by its call, or by what kept it from being called."""
        if report.when == "call" or (report.outcome != "passed" and report.when == "setup"):
            counter = self.counts.setdefault(feature_of(report.nodeid), Counter())
            counter[report.outcome] += 1

    def pytest_sessionfinish(self) -> None:
        """Add to what is known of this machine."""
        name = "-".join(self.machine.values()).replace(" ", "_").replace("+", "_")
        path = FOLDER / f"{name}.json"
        known = json.loads(path.read_text()) if path.is_file() else {}
        record = merged({**self.machine, **known}, self.counts)
        FOLDER.mkdir(exist_ok=True)
        with atomic_write(path, "w") as file:
            file.write(json.dumps(record, indent=1, sort_keys=True) + "\n")


def pytest_configure(config) -> None:
    """Record tests on a GPU apart: they are those that are asked for by `-m gpu`.

    Workers of pytest-xdist record nothing: whoever started them hears of every test.
    """
    if hasattr(config, "workerinput"):
        return
    config.pluginmanager.register(Recorder(config.option.markexpr == "gpu"))
