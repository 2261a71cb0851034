"""The examples of taps run as written and end in a picture (slow)."""

import importlib

import pytest

NAMES = ["adversarial_signal", "distill_subclassed", "grad_cam", "perceptual_images"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the plotting and data packages
def test_an_example_draws_its_picture(name, tmp_path, capsys):
    importlib.import_module(f"examples.{name}").main(tmp_path / "picture.png")
    assert "picture:" in capsys.readouterr().out
    assert (tmp_path / "picture.png").stat().st_size > 10_000
