"""Recordings made up for the tests."""

import numpy as np


def pulses(length=6000, period=90, odd=(), seed=0, noise=0.01):
    """A pulse train with a little noise; the beats numbered in `odd` have another shape."""
    rng = np.random.default_rng(seed)
    t = np.arange(length)
    phase = (t % period) / period
    usual = np.exp(-(((phase - 0.3) / 0.06) ** 2)) + 0.3 * np.exp(-(((phase - 0.6) / 0.1) ** 2))
    other = 1.2 * np.exp(-(((phase - 0.4) / 0.15) ** 2))
    x = np.where(np.isin(t // period, odd), other, usual)
    return x + noise * rng.standard_normal(length)


def write_record(folder, samples, name="rec", fmt="212", **header):
    """A WFDB record of integers `(length, channels)` in format 212 or 16."""
    samples = np.asarray(samples)
    length, channels = samples.shape
    flat = samples.reshape(-1).astype("int64")
    if fmt == "212":
        flat = np.append(flat, np.zeros(len(flat) % 2, "int64"))
        first, second = flat[::2] & 0xFFF, flat[1::2] & 0xFFF
        data = np.stack([first & 0xFF, (first >> 8) | ((second >> 8) << 4), second & 0xFF], 1)
        data = data.astype("uint8").tobytes()
    else:
        data = flat.astype("<i2").tobytes()
    (folder / f"{name}.dat").write_bytes(data)
    file = header.get("file", f"{name}.dat")
    lines = [f"{name} {channels} {header.get('rate', 360)} {header.get('length', length)}"]
    for c in range(channels):
        checksum = header.get("checksum", int(samples[:, c].sum()) % 65536)
        shown = header.get("shown_fmt", fmt)
        lines.append(f"{file} {shown} 200(0)/mV 12 0 {samples[0, c]} {checksum} 0 lead{c}")
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    return folder / name
