"""`lamina report`: the report of one recording of a corpus."""

from typing import Annotated

import typer

from lamina_cli._backend import BackendOption, choose_backend


def report(
    results: Annotated[str, typer.Argument(help="What `lamina detect --from` wrote, --out.")],
    id: Annotated[str, typer.Argument(help="The recording: its path below the root.")],
    backend: BackendOption = None,
) -> None:
    """Make the report of one recording of a corpus, with the corpus's model and settings."""
    choose_backend(backend)
    from lamina_detect import BadInput, report_recording

    try:
        typer.echo(report_recording(results, id))
    except BadInput as error:
        typer.echo(f"lamina report: {error}".replace("\n", " "), err=True)
        raise typer.Exit(2) from None
