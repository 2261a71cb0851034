"""The root command; each subcommand lives in a module of its own and is added here."""

import typer

from lamina_cli._check import check
from lamina_cli._detect import detect
from lamina_cli._export import export
from lamina_cli._watch import watch

app = typer.Typer(
    name="lamina",
    help="Keras layers that look back, decode and look inside: detect, check, export.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """Keras layers that look back, decode and look inside: detect, check, export."""


app.command()(check)
app.command("detect")(detect)
app.command("watch")(watch)
app.command("export")(export)
