"""The command line: `lamina detect | watch | check | export`.

Nothing here imports keras or lamina at load, so that `lamina --help` is quick and each command can
choose the backend first.
"""


def main() -> None:
    """Run the `lamina` command; says what to install where the extra `cli` is absent."""
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError as missing:
        raise SystemExit(
            f"The command line needs {missing.name}: pip install 'lamina[cli]'"
        ) from None
    from lamina_cli._app import app

    app()


__all__ = ["main"]
