"""A trained-looking detector with an operating point, and a hub on this machine."""

import pytest

from aligndetr.engine.operating_point import OperatingPoint, write_operating_point
from aligndetr.hub import save_pretrained
from aligndetr.interop import huggingface
from tests.hub.hub_server import Hub

THRESHOLDS = (0.25, 0.5, 0.125)
CALIBRATOR = {"kind": "piecewise linear", "knots": [[[0.0, 1.0], [0.0, 0.5]]] * 3}


@pytest.fixture(scope="session")
def trained(tiny_checkpoint, tmp_path_factory):
    """A checkpoint whose thresholds and calibrator were fitted."""
    path = tmp_path_factory.mktemp("trained") / "model_final.pth"
    point = OperatingPoint(THRESHOLDS, CALIBRATOR, {"dataset": "shapes_val"})
    write_operating_point(tiny_checkpoint, path, "model", point)
    (path.parent / "results.json").write_text(
        '{"bbox": {"AP": 41.25, "AP50": 60.5, "AP-disk": 1.0}, "model/bbox": {"AP": 3.0}}'
    )
    return path


@pytest.fixture(scope="session")
def folder(trained, tmp_path_factory):
    """The same as a folder."""
    path = tmp_path_factory.mktemp("saved") / "shapes"
    return save_pretrained(trained, path, config="aligndetr_tiny", license="apache-2.0")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Where the hub's library looks for the hub, and keeps what it fetched."""
    constants = pytest.importorskip("huggingface_hub").constants
    server = Hub()
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    huggingface.snapshot.cache_clear()
    yield server
    server.close()
    huggingface.snapshot.cache_clear()
