"""What all cases use: images, a finished run, and what runs leave in comparable form."""

import hashlib
import importlib
import json
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

from aligndetr.cli import main
from aligndetr.config import LazyConfig
from aligndetr.config.nodes import to_plain
from tests.engine.toy import write_coco
from tests.faults.child import SECONDS, in_child
from tests.faults.moments import PLACES, Moments

CONFIG = Path(__file__).with_name("toy_config.py")


class Bench:
    """Inputs that no case may change.

    Attributes:
        data: folder of images and `boxes.json`.
        whole: folder of the undisturbed run.
        inputs: digests of all files.
    """

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.data = folder / "data"
        self.data.mkdir()
        write_coco(self.data)
        self._file = self._flat_config(folder / "toy.py")
        self.whole = folder / "whole" / "run"
        self._counts, self._ends = {}, {}
        self._imported()
        self._train(self.whole.parent)
        self.inputs = snapshot(folder)

    def _imported(self):
        """Import here what children would import again and again.

        Nothing is evaluated: threads that hotcoco starts here would be missing in each fork.
        """
        folder = self.folder / "first"
        folder.mkdir()
        main(["train", *self.config("dataloader.evaluator=null"), f"train.output_dir={folder}"])
        for name in ("hotcoco", "aligndetr.visualization"):
            importlib.import_module(name)

    def config(self, *overrides):
        """Words of the toy config, to be run in any folder; it writes to `run` in there."""
        data = f"json_file={self.data}/boxes.json", f"image_root={self.data}"
        common = [f"dataloader.{split}.dataset.{x}" for split in ("train", "test") for x in data]
        return [str(self._file), *common, "train.output_dir=run", *overrides]

    def run(self, words, folder, before=lambda: None, limit=SECONDS):
        """Outcome of the command line, in a child, after `before` there, in so many seconds."""

        def action():
            # drawing takes most of the time of a small run, and reads nothing
            Figure.savefig = lambda figure, file, **options: file.write(b"a picture")
            before()
            return main([str(word) for word in words])

        return in_child(action, folder, limit)

    @staticmethod
    def _flat_config(path):
        """The toy config in one file without calls, which takes a third of the time to load."""
        plain = to_plain(LazyConfig.load(CONFIG))
        path.write_text("".join(f"{name} = {value!r}\n" for name, value in plain.items()))
        return path

    def _train(self, folder, *overrides):
        folder.mkdir(exist_ok=True)
        outcome = self.run(["train", *self.config(*overrides)], folder)
        assert outcome.code == 0, outcome.output
        return final_state(folder / "run")

    def end(self, *overrides):
        """What an undisturbed run leaves, see `final_state`."""
        if overrides not in self._ends:
            with tempfile.TemporaryDirectory(dir=self.folder.parent) as name:
                self._ends[overrides] = self._train(Path(name), *overrides)
        return self._ends[overrides]

    def count(self, place):
        """How many moments of one of `PLACES` an undisturbed run has."""
        if place not in self._counts:
            with tempfile.TemporaryDirectory(dir=self.folder.parent) as name:
                self._counts[place] = self._counted(place, Path(name))
        return self._counts[place]

    def _counted(self, place, folder):
        def note(name, half):
            (folder / "count").write_text(str(len(moments.names)))

        moments = Moments(note, at=0, once=False)
        outcome = self.run(["train", *self.config()], folder, lambda: PLACES[place](moments))
        assert outcome.code == 0, outcome.output
        return int((folder / "count").read_text())


def final_state(run):
    """Digests of what a finished run leaves, by file; of the metrics, what is no time or average.

    Losses are shown as averages over the last steps, which begin anew when a run is resumed.
    """
    names = ("model_final.pth", "model_best.pth", "results.json", "coco_instances_results.json")
    state = {name: digest(run / name) for name in (*names, "config.yaml")}
    lines = map(json.loads, (run / "metrics.json").read_text().splitlines())
    kept = [{k: v for k, v in x.items() if k in ("iteration", "lr") or "/" in k} for x in lines]
    return {**state, "metrics.json": hashlib.sha256(repr(kept).encode()).hexdigest()}


def digest(path):
    """Of a file's bytes; None if there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def snapshot(folder):
    """Digests of all files below a folder, by path."""
    return {path: digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}
