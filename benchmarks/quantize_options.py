"""What each option of the quantizers does for two small autoencoders: error, codes in use.

    python -m benchmarks.quantize_options [--seeds 3] [--steps 1500] [--out FOLDER]

`patches`: 8 x 8 x 3 pixels of two photographs that scikit-learn carries, 256 codes in one.
`pressure`: 64 samples of an arterial pressure that aeon carries, four codes of 64 in one window.
Dense layers on both sides, Adam at 2e-3, the error on data that were not trained on. A result is a
line of JSON in FOLDER; those that are there already are not made again. The table at the end has
means over the seeds.
"""

import json
import math
import pathlib
from collections.abc import Callable

import keras
import numpy as np

import lamina
from benchmarks._bench import Bench, parser_of, run

WIDTH, BATCH = 16, 256
VQ: dict[str, dict] = {
    "as it comes": {},
    "rotation": {"gradient": "rotation"},
    "projected to 8, cosine": {"codebook_dim": 8, "metric": "cosine"},
    "two groups of half the bits": {"groups": 2},
    "drawn codes, temperature 0.1": {"temperature": 0.1},
    "entropy 0.1": {"entropy": 0.1},
    "rows by the gradient": {"update": "gradient"},
    "rows by the gradient, orthogonality 1": {"update": "gradient", "orthogonality": 1.0},
}


def patches_quantizer(name: str, seed: int) -> keras.layers.Layer:
    if name == "SimVQ":
        return lamina.SimVectorQuantizer(256, seed=seed, return_codes=True)
    if name == "lookup-free, 8 bits":
        return lamina.LookupFreeQuantizer(8, return_codes=True)
    if name == "spherical, 8 bits":
        return lamina.LookupFreeQuantizer(8, spherical=True, return_codes=True)
    if name == "levels 8, 6, 5":
        return lamina.FiniteScalarQuantizer((8, 6, 5), return_codes=True)
    options = VQ[name]
    codes = 16 if "groups" in options else 256
    return lamina.VectorQuantizer(codes, seed=seed, return_codes=True, **options)


def pressure_quantizer(name: str, seed: int) -> keras.layers.Layer:
    if name == "residual levels 4, 4, 4":
        return lamina.ResidualFiniteScalarQuantizer((4, 4, 4), stages=4, return_codes=True)
    if name == "one table for all stages":
        return lamina.ResidualVectorQuantizer([64] * 4, shared=True, seed=seed, return_codes=True)
    options = VQ[name]
    sizes = [8] * 4 if "groups" in options else [64] * 4
    return lamina.ResidualVectorQuantizer(sizes, seed=seed, return_codes=True, **options)


def patches(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(trained on, unseen): the right quarter of each photograph is not trained on."""
    from sklearn.datasets import load_sample_images

    parts: tuple[list, list] = ([], [])
    for image in load_sample_images().images:
        image = image.astype("float32") / 255
        edge = image.shape[1] * 3 // 4
        for part, half, count in zip(
            parts, (image[:, :edge], image[:, edge:]), (20000, 2000), strict=True
        ):
            rows = rng.integers(0, half.shape[0] - 8, count)
            columns = rng.integers(0, half.shape[1] - 8, count)
            part += [half[r : r + 8, c : c + 8].ravel() for r, c in zip(rows, columns, strict=True)]
    return np.stack(parts[0]), np.stack(parts[1])


def pressure(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(trained on, unseen) in standard deviations."""
    from examples.rvq_signal import recording

    series = recording().astype("float32")
    series = (series - series.mean()) / series.std()
    cut = len(series) * 3 // 4
    found = []
    for part, count in ((series[:cut], 40000), (series[cut:], 4000)):
        found.append(np.stack([part[s : s + 64] for s in rng.integers(0, len(part) - 64, count)]))
    return found[0], found[1]


TASKS: dict[str, tuple[Callable, Callable, list[str]]] = {
    "patches": (
        patches,
        patches_quantizer,
        [*VQ, "SimVQ", "lookup-free, 8 bits", "spherical, 8 bits", "levels 8, 6, 5"],
    ),
    "pressure": (
        pressure,
        pressure_quantizer,
        [*VQ, "one table for all stages", "residual levels 4, 4, 4"],
    ),
}


def width_of(layer: keras.layers.Layer) -> int:
    """Features that a quantizer takes."""
    if isinstance(layer, lamina.LookupFreeQuantizer):
        return layer.bits
    levels = (lamina.FiniteScalarQuantizer, lamina.ResidualFiniteScalarQuantizer)
    return len(layer.levels) if isinstance(layer, levels) else WIDTH


def one(task: str, name: str, seed: int, steps: int) -> dict:
    """RMSE and the share of codes in use, on unseen data."""
    load, make, _ = TASKS[task]
    train, unseen = load(np.random.default_rng(0))
    keras.utils.set_random_seed(seed)
    layer = make(name, seed)
    inputs = keras.Input(train.shape[1:])
    hidden = keras.layers.Dense(128, "relu")(inputs)
    values, codes = layer(keras.layers.Dense(width_of(layer))(hidden))
    hidden = keras.layers.Dense(128, "relu")(values)
    model = keras.Model(inputs, keras.layers.Dense(train.shape[1])(hidden))
    model.compile(keras.optimizers.Adam(2e-3), "mse")
    rng = np.random.default_rng(seed)
    x = train[rng.integers(0, len(train), steps * BATCH)]
    model.fit(x, x, batch_size=BATCH, shuffle=False, verbose=0)
    error = model.predict(unseen, verbose=0) - unseen
    found = keras.Model(inputs, codes).predict(unseen, verbose=0).reshape(len(unseen), -1)
    sizes = layer.codes if isinstance(layer.codes, list) else [layer.codes]
    used = [len(np.unique(column)) for column in found.T]
    share = np.mean(used) / np.mean(sizes)
    bits = sum(math.log2(n) for n in sizes) * found.shape[1] / len(sizes)
    rmse = float(np.sqrt(np.mean(error**2)))
    return dict(task=task, name=name, seed=seed, steps=steps, rmse=rmse, usage=share, bits=bits)


def ablation(bench: Bench) -> None:
    """Every option of both tasks; the mean over the seeds, and the default's beside it."""
    seeds, steps = (1, 2) if bench.quick else (bench.options.seeds, bench.options.steps)
    names = {task: names[:1] if bench.quick else names for task, (_, _, names) in TASKS.items()}
    results = made(bench.options.out, names, seeds, steps)
    for task, options in names.items():
        default = None
        for name in options:
            rows = [r for r in results if (r["task"], r["name"]) == (task, name)]
            errors = [r["rmse"] for r in rows]
            usage = 100 * np.mean([r["usage"] for r in rows])
            spread = f"{min(errors):.4f}..{max(errors):.4f}"
            work = f"{task}, {name}: {rows[0]['bits']:.0f} bits, {usage:.0f} % in use, {spread}"
            error = float(np.mean(errors))
            bench.amount(work, error, "RMSE", options[0] if default else "", default)
            default = default or error


def made(folder: pathlib.Path, names: dict[str, list[str]], seeds: int, steps: int) -> list[dict]:
    """All results; those that a run before has left are taken as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "quantize_options.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    results = [r for r in map(json.loads, lines) if r["steps"] == steps and r["seed"] <= seeds]
    done = {(r["task"], r["name"], r["seed"]) for r in results}
    asked = ((t, n, s) for s in range(1, seeds + 1) for t, own in names.items() for n in own)
    for task, name, seed in asked:
        if (task, name, seed) not in done:
            results.append(one(task, name, seed, steps))
            with file.open("a") as kept:
                kept.write(json.dumps(results[-1]) + "\n")
    return results


SECTIONS = {"ablation": ablation}


def main() -> None:
    parser = parser_of(__doc__ or "", SECTIONS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1500)
    run("quantize_options", SECTIONS, parser.parse_args())


if __name__ == "__main__":
    main()
