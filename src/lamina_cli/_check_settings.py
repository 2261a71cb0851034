"""What a project says of its layers: [tool.lamina.layers] in pyproject.toml, --expect FILE."""

import tomllib
from pathlib import Path
from typing import Any

import typer

KEYS = ("kwargs", "inputs", "traits", "expected_failures")


def settings_of(expect: Path | None, folder: Path) -> dict[str, dict[str, Any]]:
    """`{layer: {kwargs, inputs, traits, expected_failures}}`.

    Args:
        expect: A TOML file of expected failures: a table a layer, `"contract" = "reason"`.
        folder: Where pyproject.toml is looked for, and in the folders above.
    """
    layers: dict[str, dict[str, Any]] = {}
    for place in (folder, *folder.parents):
        if (place / "pyproject.toml").is_file():
            tool = _read(place / "pyproject.toml").get("tool", {})
            layers = tool.get("lamina", {}).get("layers", {})
            break
    for name, table in layers.items():
        wrong = [key for key in table if key not in KEYS] if isinstance(table, dict) else [name]
        if wrong:
            raise typer.BadParameter(
                f"[tool.lamina.layers.{name}] takes {', '.join(KEYS)}. Received: {wrong[0]!r}"
            )
    for name, reasons in (_read(expect) if expect else {}).items():
        if not isinstance(reasons, dict):
            raise typer.BadParameter(
                f'{expect} must hold a table a layer: [{name}], then "contract" = "reason". '
                f"Received: {name} = {reasons!r}"
            )
        known = layers.setdefault(name, {})
        known["expected_failures"] = {**known.get("expected_failures", {}), **reasons}
    return layers


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise typer.BadParameter(f"{path} could not be read: {error}") from None
