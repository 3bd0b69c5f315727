"""What is said of data that are not where a config says."""

import pytest
from omegaconf import OmegaConf

from aligndetr.evaluation.data_places import MissingPlace, missing_place

KEY = "dataloader.test.dataset"


def missing(**places):
    return missing_place(OmegaConf.create({"dataloader": {"test": {"dataset": places}}}), KEY)


def test_the_first_place_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text("")
    assert missing(path="a") == MissingPlace(f"{KEY}.path", "a")
    assert missing(json_file="a.json", image_root="b") == MissingPlace(f"{KEY}.image_root", "b")


@pytest.mark.parametrize(
    "places",
    [
        {},
        {"names": "nobody_knows"},
        {"path": None, "json_file": ""},
        {"path": "s3://bucket/shards"},
        {"path": "${nothing.there}"},
        {"path": 3},
    ],
)
def test_where_no_place_is_missing(places):
    assert missing(**places) is None
    assert missing_place(OmegaConf.create({}), KEY) is None


def test_the_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = MissingPlace("d.path", "small")
    assert here.explain("x.pth", "do it") == (
        f"; d.path=small comes from x.pth and is relative to the folder of the command, here "
        f"{tmp_path}: do it"
    )
    assert here.explain(None, "do it").startswith("; d.path=small is relative")
    far = MissingPlace("d.path", "/nowhere/small")
    assert far.explain("x.pth", "do it") == "; d.path=/nowhere/small comes from x.pth: do it"
    assert far.explain(None, "do it") == ""
