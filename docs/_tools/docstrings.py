"""Griffe extension: our docstrings in the form that its Google parser wants.

The sources say `Example:` and group arguments that read alike (`kernel_initializer,
bias_initializer: As in Dense.`), which is how Keras writes them. The parser knows `Examples:` and
one name an entry; anything else it renders as prose, where `[1.0, 2.0]` becomes a broken link.
"""

import re
from typing import Any

from griffe import Docstring, Extension, Function, Object

EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
SEVERAL = re.compile(r"^    (\*{0,2}\w+(?:,\s+\*{0,2}\w+)+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
# Shown for their signatures although Keras, or the base class, says what they are for.
PROTOCOL = {"call", "initial_state", "step"}


def google_style(text: str) -> str:
    """The docstring with `Examples:`, and with one entry for each argument."""
    return SEVERAL.sub(_one_entry_each, EXAMPLE.sub("Examples:", text))


def _one_entry_each(match: re.Match) -> str:
    names, description = re.split(r",\s+", match[1]), match[2]
    return "\n".join(f"    {name}: {description}" for name in names)


class Docstrings(Extension):
    """Applies `google_style` to every docstring; shows the undocumented methods of `PROTOCOL`."""

    def on_instance(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = google_style(obj.docstring.value)

    def on_function_instance(self, *, func: Function, **kwargs: Any) -> None:
        if func.docstring is None and func.name in PROTOCOL:
            func.docstring = Docstring("", parent=func)
