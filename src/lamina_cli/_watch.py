"""`lamina watch`: a saved detector on samples as they come."""

import sys
from typing import Annotated

import typer

from lamina_cli._backend import BackendOption, choose_backend


def watch(
    model: Annotated[str, typer.Argument(help="model.keras of `lamina detect`.")],
    state: Annotated[str | None, typer.Option(help="File that survives being killed.")] = None,
    block: Annotated[int, typer.Option(help="Samples that are run together.")] = 4096,
    backend: BackendOption = None,
) -> None:
    """Score samples from standard input, a line each, its leads separated by commas.

    Writes a JSON line for each sample, and `{"ack": n}` when everything before sample n is durable
    in the state file; started again, send the samples from n on.
    """
    choose_backend(backend)
    from lamina_detect import BadInput
    from lamina_detect import watch as run

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    try:
        run(model, sys.stdin, write, state, block)
    except BadInput as error:
        typer.echo(f"lamina watch: {error}".replace("\n", " "), err=True)
        raise typer.Exit(2) from None
