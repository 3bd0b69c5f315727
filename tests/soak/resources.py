"""What a long run holds of the machine while it goes on."""

import json
import os
import threading
from pathlib import Path

from aligndetr.engine.hooks import Hook

FILE = "resources.jsonl"  # in the working folder
SAMPLES = 40


class Resources(Hook):
    """Writes memory in MiB, open files and threads of the process, `SAMPLES` times in a run."""

    def after_step(self):
        if self.trainer.iter % max(1, self.trainer.max_iter // SAMPLES) == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            now = {
                "memory": pages * os.sysconf("SC_PAGESIZE") / 2**20,
                "files": len(os.listdir("/proc/self/fd")),
                "threads": threading.active_count(),
            }
            with open(FILE, "a") as file:
                file.write(json.dumps(now) + "\n")


def growth(folder):
    """From the fifth sample on, when all is set up: (largest of the first, of the last five)."""
    lines = [json.loads(line) for line in (folder / FILE).read_text().splitlines()][5:]
    return {
        name: (max(x[name] for x in lines[:5]), max(x[name] for x in lines[-5:]))
        for name in lines[0]
    }
