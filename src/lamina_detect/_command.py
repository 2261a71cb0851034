"""The command that gives a result again, which its report shows."""

import os
import shlex
from collections.abc import Mapping
from typing import Any

from lamina_detect.results import FALSE_ALARMS, Command

# What `lamina detect` takes by default; what is not here is not given by default.
DEFAULTS = {"out": "out", "shapes": 200, "seed": 0, "false_alarms": f"{FALSE_ALARMS:g}"}
# Settings of a detector that the command has an option for.
SETTINGS = ("window", "shapes", "seed")


def command_of(
    recording: Any,
    arguments: Mapping[str, Any],
    reading: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Command:
    """`lamina detect` with what is not as it is by default, as a shell takes it; no threshold.

    With a setting that has no option it is a call of `lamina_detect.detect`.
    """
    first = [] if recording is None else [os.fspath(recording)]
    arguments, reading, settings = (_given(part) for part in (arguments, reading, settings))
    if set(settings) - set(SETTINGS):
        named = {**arguments, **({"reading": reading} if reading else {}), **settings}
        words = [repr(path) for path in first] + [f"{n}={_plain(v)!r}" for n, v in named.items()]
        opening = f"lamina_detect.detect({', '.join(words)}"
        return Command(opening, ", threshold=" if words else "threshold=", ")")
    words = ["lamina", "detect"] + [_path(path) for path in first]
    for name, value in {**arguments, **reading, **settings}.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            words += _option("column" if name == "columns" else name, str(one))
    return Command(shlex.join(words), " --threshold ", "")


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in arguments.items()
        if value is not None and value != () and DEFAULTS.get(name) != value
    }


def _plain(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _option(name: str, value: str) -> list[str]:
    """One word where the value would be taken for an option."""
    option = "--" + name.replace("_", "-")
    return [f"{option}={value}"] if value.startswith("-") else [option, value]


def _path(name: str) -> str:
    return f"./{name}" if name.startswith("-") and name != "-" else name
