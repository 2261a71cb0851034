"""PackedSampleDecoder: every format of WFDB, bit for bit, and what a file can have wrong."""

import keras
import numpy as np
import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st

from lamina import PackedSampleDecoder
from lamina.codec._packed_sample_decoder import FORMATS
from tests.codec.support import compiled, slow

# The order of the signals in the record `binformats`.
BINFORMATS = [8, 16, 61, 80, 160, 212, 310, 311, 24, 32]


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def exact(format, channels):
    return PackedSampleDecoder(format, channels, invalid="keep", dtype="int32")


@pytest.mark.parametrize("format", [8, 212, 310, *slow(16, 24, 32, 61, 80, 160, 311)])
def test_real_record_in_each_format_equals_wfdb_and_its_checksum(recordings, format):
    signal = BINFORMATS.index(format)
    folder = recordings / "wfdb-formats"
    record = wfdb.rdrecord(folder / "binformats", physical=False)
    decoder = exact(format, 1)
    data = (folder / record.file_name[signal]).read_bytes()
    initial = np.array([record.init_value[signal]]) if format == 8 else None
    frames = decoder.frames(data, record.sig_len)
    for y in (decoder(frames, initial=initial), compiled(decoder, frames, initial=initial)):
        samples = numpy(y)[0, : record.sig_len, 0].astype("int64")
        assert np.array_equal(samples, record.d_signal[:, signal])
        assert (samples.sum() - record.checksum[signal]) % 65536 == 0


@pytest.mark.parametrize(
    ("name", "format", "channels"),
    [("310derive", 310, 2), ("311derive", 311, 1), ("3000003_0003", 80, 2), ("test01_00s", 16, 4)],
)
def test_real_multichannel_records_equal_wfdb(recordings, name, format, channels):
    record = wfdb.rdrecord(recordings / "wfdb-formats" / name, physical=False)
    decoder = exact(format, channels)
    data = (recordings / "wfdb-formats" / record.file_name[0]).read_bytes()
    y = numpy(decoder(decoder.frames(data, record.sig_len)))
    assert np.array_equal(y[0, : record.sig_len], record.d_signal)


def test_real_multirate_record_is_one_channel_for_each_sample_of_a_frame(recordings):
    path = recordings / "wfdb-formats" / "03700181"
    record = wfdb.rdrecord(path, physical=False, smooth_frames=False)
    decoder = exact(212, sum(record.samps_per_frame))
    data = path.with_suffix(".dat").read_bytes()
    count = len(data) // decoder.bytes_per_frame * decoder.samples_per_frame
    y = numpy(decoder(decoder.frames(data, count)))[0]
    signals = np.split(y, np.cumsum(record.samps_per_frame)[:-1], axis=1)
    for signal, theirs, skew in zip(signals, record.e_d_signal, record.skew, strict=True):
        late = (skew or 0) * signal.shape[1]
        assert np.array_equal(signal.reshape(-1)[late:], theirs[: signal.size - late])


def test_real_record_in_physical_units(recordings):
    record = wfdb.rdrecord(recordings / "mitdb" / "100", sampto=30_000)
    decoder = PackedSampleDecoder(212, 2)
    frames = decoder.frames((recordings / "mitdb" / "100.dat").read_bytes(), 30_000)
    gain, baseline = np.array([record.adc_gain]), np.array([record.baseline])
    y = numpy(decoder(frames, gain=gain, baseline=baseline))
    np.testing.assert_allclose(y[0], record.p_signal, rtol=1e-6)
    shared = numpy(decoder(frames, gain=gain[0], baseline=baseline[0]))
    assert np.array_equal(shared, y)


def test_gain_and_baseline_keep_float64(rng):
    """They were rounded to float32 on the way."""
    samples = rng.integers(-2000, 2000, (1, 20, 2))
    decoder = PackedSampleDecoder(212, 2, dtype="float64")
    gain, baseline = np.array([200.1, 1 / 3]), np.array([0.123456789012345, -7.7])
    y = numpy(decoder(decoder.encode(samples), gain=gain, baseline=baseline))
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, (samples - baseline) / gain, rtol=1e-15)


@given(st.data())
def test_encode_then_decode_gives_the_samples(data):
    format = data.draw(st.sampled_from(sorted(FORMATS)))
    channels, time = data.draw(st.integers(1, 5)), data.draw(st.integers(0, 9))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    bits = PackedSampleDecoder(format, 1).bits
    high = 2 ** (bits - 1)
    # Format 8 stores differences: every one must fit as well.
    x = rng.integers(-high // 2, high // 2, (2, time, channels))
    initial = rng.integers(-60, 60, (2, channels)) if format == 8 else None
    decoder = exact(format, channels)
    data = decoder.encode(x, initial=0 if initial is None else initial)
    assert data.dtype == "uint8" and data.shape[2] == decoder.bytes_per_frame
    y = numpy(decoder(data, initial=initial))
    assert np.array_equal(y[:, :time], x)


def test_format_311_takes_ten_bits_as_the_c_library():
    """Pad bit 30 set beside a negative third sample: the Python package reads 1000."""
    data = np.array([[[0, 0, 0x80, 0x7E]]], "uint8")
    assert numpy(exact(311, 1)(data)).ravel().tolist() == [0, 0, -24]


@pytest.mark.parametrize("format", [16, 212, 311, *slow(24, 61, 80, 160, 310)])
def test_missing_samples_become_nan_or_a_mask(format):
    low = -(2 ** (PackedSampleDecoder(format, 2).bits - 1))
    x = np.array([[[1, 2], [low, 3], [low + 1, 5]]])
    y = numpy(PackedSampleDecoder(format, 2)(exact(format, 2).encode(x)))[:, :3]
    assert np.array_equal(y, np.where(x == low, np.nan, x).astype("float32"), equal_nan=True)
    masked = PackedSampleDecoder(format, 2, invalid="mask")(exact(format, 2).encode(x))
    assert np.array_equal(numpy(masked)[:, :3], np.where(x == low, 0, x))
    assert numpy(masked._keras_mask)[0, :3].tolist() == [True, False, True]


def test_the_mask_of_missing_samples_reaches_later_layers():
    decoder = PackedSampleDecoder(212, 1, invalid="mask")
    inputs = keras.Input((None, 3), dtype="uint8")
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(decoder(inputs)))
    frames = decoder.encode(np.array([[[6], [-2048], [3], [-2048]]]))
    assert numpy(model(frames)).item() == 4.5


def test_a_mask_of_frames_passes_on_to_their_samples():
    decoder = PackedSampleDecoder(212, 1)
    mask = decoder.compute_mask(np.zeros((1, 2, 3), "uint8"), np.array([[True, False]]))
    assert numpy(mask).tolist() == [[True, True, False, False]]


@pytest.mark.parametrize("shape", [(0, 4), (2, 0), (0, 0)])
@pytest.mark.parametrize("format", [8, 212, 310])
def test_no_rows_and_no_frames(format, shape):
    decoder = PackedSampleDecoder(format, 2)
    y = decoder(np.zeros((*shape, decoder.bytes_per_frame), "uint8"))
    assert tuple(y.shape) == (shape[0], shape[1] * decoder.samples_per_frame, 2)


@pytest.mark.parametrize("format", [8, 212])
def test_blocks_with_state_equal_the_whole(format, rng):
    decoder = PackedSampleDecoder(format, 2, invalid="keep")
    data = rng.integers(0, 256, (2, 12, decoder.bytes_per_frame), "uint8")
    state, pieces = decoder.initial_state(2), []
    for block in np.split(data, [1, 5, 5], axis=1):
        y, state = decoder.step(keras.ops.convert_to_tensor(block), state)
        pieces.append(numpy(y))
    assert np.array_equal(np.concatenate(pieces, 1), numpy(decoder(data)))


@pytest.mark.tensorflow
def test_changing_lengths_in_one_graph_trace_once_and_stay_exact():
    import tensorflow as tf

    decoder = PackedSampleDecoder(212, 1)
    traced = tf.function(decoder, input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)])
    for frames in [0, 1, 2, 255, 256, 257, 319, 320, 321]:
        data = np.random.default_rng(frames).integers(0, 256, (1, frames, 3), "uint8")
        y = PackedSampleDecoder(212, 1, invalid="keep")(data).numpy()
        assert np.array_equal(traced(data).numpy(), np.where(y == -2048, np.nan, y), equal_nan=True)
    assert traced.experimental_get_tracing_count() == 1


def test_what_a_file_can_have_wrong_is_an_error():
    decoder = PackedSampleDecoder(212, 2)
    with pytest.raises(ValueError, match=r"too short: 10 samples .* take 30 bytes. Received: 29"):
        decoder.frames(bytes(29), 10)
    with pytest.raises(ValueError, match=r"must be \(batch, frames, 3\)"):
        decoder(np.zeros((1, 4, 2), "uint8"))
    with pytest.raises(ValueError, match=r"must be \(batch, frames, 3\)"):
        decoder(keras.Input((None, 4), dtype="uint8"))
    with pytest.raises(ValueError, match="must be bytes"):
        decoder(np.zeros((1, 4, 3), "int32"))
    with pytest.raises(ValueError, match="`gain` must not be 0"):
        decoder(np.zeros((1, 4, 3), "uint8"), gain=np.array([200.0, 0.0]))
    with pytest.raises(ValueError, match="`initial` is for format 8 only"):
        decoder(np.zeros((1, 4, 3), "uint8"), initial=np.array([1, 1]))


def test_arguments_that_cannot_be_are_errors():
    with pytest.raises(ValueError, match="`format` must be one of the WFDB formats 8, 16"):
        PackedSampleDecoder(213, 1)
    with pytest.raises(ValueError, match="`channels` must be"):
        PackedSampleDecoder(212, 0)
    with pytest.raises(ValueError, match="`invalid` must be one of 'mask', 'keep' for int32"):
        PackedSampleDecoder(212, 1, invalid="nan", dtype="int32")
    with pytest.raises(ValueError, match=r"must lie in -2048\.\.2047"):
        PackedSampleDecoder(212, 1).encode(np.array([[[2048]]]))
