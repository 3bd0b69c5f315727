"""OpenVINO files, run by OpenVINO."""

import pytest

from aligndetr.errors import ExportError
from aligndetr.export.exporting import export
from aligndetr.export.runtimes import open_file

openvino = pytest.importorskip("openvino")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def outcome(source, fixed_wish, few, tmp_path_factory):
    return export(source, fixed_wish("openvino"), tmp_path_factory.mktemp("openvino"), few)


def test_it_is_verified(outcome):
    assert outcome.judgement.passed
    assert outcome.judgement.provider == "CPU"
    assert {path.name for path in outcome.path.parent.iterdir()} == {"model.xml", "model.bin"}
    assert open_file(outcome.path).metadata["verification"]["status"] == "verified"


def test_metadata_and_precision(outcome):
    file = open_file(outcome.path)
    assert (file.metadata["format"], file.metadata["precision"]) == ("openvino", "fp32")
    constants = openvino.Core().read_model(outcome.path).get_ordered_ops()
    kinds = {
        c.get_element_type().get_type_name() for c in constants if "Const" in c.get_type_name()
    }
    assert "f32" in kinds
    assert "f16" not in kinds


def test_a_damaged_file_is_a_sentence(outcome, tmp_path):
    (tmp_path / "model.xml").write_bytes(outcome.path.read_bytes()[:20000])
    with pytest.raises(ExportError, match=r"openvino cannot open .*model\.xml"):
        open_file(tmp_path / "model.xml")
    with pytest.raises(ExportError, match="GPU"):
        open_file(outcome.path, provider="GPU")
