"""The examples run and give the results that they report."""

import pytest

from examples import audio_codec, rvq_signal, vqvae_images

pytestmark = [pytest.mark.long, pytest.mark.tensorflow]


@pytest.mark.timeout(600)
def test_vqvae_on_photographs_uses_its_codes(tmp_path):
    """With all its epochs: after half of them the encoder has not spread yet."""
    results = vqvae_images.main(epochs=8, out=tmp_path)
    assert (tmp_path / "vqvae_images.png").stat().st_size > 10_000
    assert results["lamina"][1] > 0.9 and results["naive"][1] < 0.6
    assert results["lamina"][0] < results["naive"][0]


def test_residual_quantizer_on_pressure_uses_its_codes(tmp_path):
    results = rvq_signal.main(epochs=4, count=1000, out=tmp_path)
    assert (tmp_path / "rvq_signal.png").stat().st_size > 10_000
    errors, usage = results["lamina"]
    assert usage > 0.8 and results["naive"][1] < 0.6
    assert errors[0] > errors[-1]


def test_audio_codec_streams_from_packed_codes(tmp_path):
    results, difference = audio_codec.main(epochs=2, count=100, out=tmp_path)
    assert (tmp_path / "audio_codec.png").stat().st_size > 10_000
    assert (tmp_path / "player.tflite").stat().st_size > 10_000
    assert difference < 1e-5 and len(results) == 2
