"""What a training prints about itself."""

import io
import sys

import pytest

from aligndetr.engine.events import EventStorage
from aligndetr.engine.writers import BarWriter, console_writer
from aligndetr.engine.writers.console import LineWriter
from aligndetr.engine.writers.summary import losses, summary, time_left


def test_the_summary_for_people():
    values = {
        "total_loss": 12.0,
        "loss_class_enc": 0.25,
        "loss_class": 0.5,
        "loss_giou": 1.25,
        "loss_giou_0": 8.0,
        "loss_bbox_dn": 2.0,
        "eta_seconds": 30.4,
        "evaluations_left": 3.0,
        "eval_seconds": 5.0,
        "time": 0.5,
        "data_time": 0.03,
        "images_per_second": 32.0,
        "max_memory_gb": 1.25,
        "max_cpu_memory_gb": 0.5,
        "grad_norm": 5.04489,
        "lr": 1e-4,
        "bbox/AP": 31.27,
    }
    news = {name: (value, 39) for name, value in values.items()}
    # 25 iterations are an epoch; class 0.25 + 0.5, giou 1.25 + 8; 0.03 of 0.5 s are 6 %
    text = summary(news, 40, 100, 25.0)
    assert text == (
        "iter 40/100  epoch 1.60  0:00:30 left  AP 31.3\n"
        "  loss 12.00 = class 0.75 + giou 9.25 + bbox 2.00  grad_norm 5.04  lr 0.0001\n"
        "  0.5 s/iter (6 % of it for data)  32 images/s  GPU 1.2 GB  CPU 0.5 GB"
    )


@pytest.mark.parametrize(
    "values, expected",
    [
        ({}, "loss nan"),
        ({"total_loss": 4.0, "focal": 4.0}, "loss 4.000"),
        ({"total_loss": 4.0, "loss_a": 1.5, "focal": 2.5}, "loss 4.000 = a 1.500 + other 2.500"),
        ({"total_loss": 1234.5, "loss_class": 1234.5}, "loss 1234 = class 1234"),
        ({"total_loss": float("inf"), "loss_class": float("inf")}, "loss inf = class inf"),
    ],
)
def test_the_parts_of_the_loss_add_up_to_it(values, expected):
    assert losses(values) == expected


def test_evaluations_of_unknown_length_are_said():
    assert time_left({"eta_seconds": 7200.0, "evaluations_left": 12.0}) == (
        "2:00:00 + 12 evaluations left"
    )
    assert time_left({"eta_seconds": 1.0, "evaluations_left": 1.0}) == "0:00:01 + 1 evaluation left"
    assert time_left({"eta_seconds": 90061.0}) == "1 day, 1:01:01 left"


def test_logged_lines_fit_into_80_columns(caplog):
    storage = EventStorage(89_999)
    names = [f"loss_{term}{layer}" for term in ("class", "bbox", "giou") for layer in ("", "_0")]
    storage.put_scalars(dict.fromkeys(names, 11.111))
    storage.put_scalars({"total_loss": 66.666, "validation_loss": 55.5, "grad_norm": 1234.5})
    storage.put_scalars({"lr": 1.234e-5, "time": 12.34, "data_time": 12.0, "bbox/AP": 51.25})
    storage.put_scalars({"eta_seconds": 400_000.0, "images_per_second": 123.4})
    storage.put_scalars({"max_memory_gb": 77.7, "max_cpu_memory_gb": 22.2})
    with caplog.at_level("INFO", logger="aligndetr"):
        writer = LineWriter(7500.0)
        writer.start(0, 180_000)
        writer.write(storage, 89_999)
    first, *others = caplog.messages[0].splitlines()
    assert len("[12:34:56] ") + len(first) <= 80
    assert max(map(len, others)) <= 80


def test_ap_is_said_once_and_with_its_iteration_if_that_was_earlier(caplog):
    storage = EventStorage()
    writer = LineWriter()
    writer.start(0, 100)
    with caplog.at_level("INFO", logger="aligndetr"):
        for iteration in range(6):
            storage.iter = iteration
            storage.put_scalar("total_loss", 2.0)
            if iteration in (1, 2):
                storage.put_scalar("bbox/AP", 20.0 + iteration, smoothing=False)
            if iteration != 2:
                writer.write(storage, iteration)
    assert [message.partition("  loss")[0] for message in caplog.messages] == [
        "iter 1/100",
        "iter 2/100  AP 21.0",
        "iter 4/100  AP 22.0 (iter 3)",
        "iter 5/100",
        "iter 6/100",
    ]


def test_a_terminal_gets_a_bar_that_fits_into_it(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    writer = console_writer()
    assert isinstance(writer, BarWriter)
    writer.start(0, 90_000)
    storage = EventStorage()
    storage.put_scalar("bbox/AP", 45.678)
    storage.iter = 50_000
    storage.put_scalars({"total_loss": 12.345, "eta_seconds": 40_000.0})
    writer.write(storage, 50_000)
    with writer.paused():
        pass
    writer.close()
    assert "50001/90000  11:06:40 left  loss 12.35  AP 45.7 (iter 1)" in terminal.getvalue()
