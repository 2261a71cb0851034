"""The root command; each subcommand lives in a module of its own and is added here."""

from typing import Annotated

import typer

from lamina_cli._check import check
from lamina_cli._detect import detect
from lamina_cli._export import export
from lamina_cli._report import report
from lamina_cli._watch import watch

app = typer.Typer(
    name="lamina",
    help="Keras layers that look back, decode and look inside: detect, watch, check, export.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lamina {_version()}")
        raise typer.Exit


def _version() -> str:
    # From what the installer wrote: importing lamina would import keras.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("lamina")
    except PackageNotFoundError:
        from lamina import __version__

        return __version__


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Keras layers that look back, decode and look inside: detect, report, watch, check, export."""


app.command()(check)
app.command("detect")(detect)
app.command("report")(report)
app.command("watch")(watch)
app.command("export")(export)
