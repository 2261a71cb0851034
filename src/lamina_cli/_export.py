"""`lamina export`: the step of a saved model as one file."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn, cast

import typer


class Format(StrEnum):
    """What the file is for."""

    litert = "litert"
    onnx = "onnx"
    tf_saved_model = "tf_saved_model"


def export(
    model: Annotated[Path, typer.Argument(help="A saved model, MODEL.keras.")],
    out: Annotated[Path, typer.Argument(help="The file to write (a folder for tf_saved_model).")],
    format: Annotated[Format, typer.Option(help="What to write.")] = Format.litert,
) -> None:
    """Write the step of a causal MODEL to OUT, for lamina_edge: sample by sample, exactly."""
    if not model.is_file():
        _fail(f"no such model: {model}")
    if not out.parent.is_dir():
        _fail(f"no such folder: {out.parent}")
    # Only TensorFlow writes these formats, whatever the backend that the model was trained on.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras

        import lamina
        import lamina_detect.model  # noqa: F401  its layers may be in the model

        loaded = cast(keras.Model, keras.saving.load_model(model, compile=False))
        stream = lamina.Stream(loaded)
        stream.export(out, format=format.value)
    except (ValueError, OSError, ImportError) as error:
        _fail(str(error))
    typer.echo(f"{out}: receptive field {stream.receptive_field} samples")


def _fail(message: str) -> NoReturn:
    typer.echo(f"lamina export: {message}", err=True)
    raise typer.Exit(2)
