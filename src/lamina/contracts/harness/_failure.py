"""What the layer's own code raises, kept separate from what goes wrong in a check."""

import contextlib
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

# Colours, and TensorFlow's names for its own nodes.
NOISE = re.compile(r"\x1b\[\d+m|\{\{function_node [^}]*\}\} ?")
# Where Keras repeats an exception inside one of its own; what stands before it is boilerplate.
INNER = re.compile(r"(?:Exception|Error) encountered:")
# Lines about an exception that say nothing about its cause.
BOILERPLATE = ("in user code", "Exception encountered when calling", "Arguments received")
LONGEST = 300

# Packages whose frames are not the author's own code; a layer of theirs has no other frames.
FRAMEWORKS = ("tensorflow", "jax", "jaxlib", "torch", "numpy", "keras")
# Our own package; its modules that stand between the layer's code and what that calls.
CONTRACTS = Path(__file__).parent.parent
SPIES = ("_spies.py", "_sandbox.py")


class CheckError(Exception):
    """A target that could not be imported, constructed, built or called: which, and why."""


class ModeAvoided(Exception):
    """A call in a mode in which the layer has killed its process, or has hung, before."""


class LayerFailed(Exception):
    """The layer's own code raised where a right layer works.

    Attributes:
        doing: What was done.
        cause: What it raised.
        where: The last line of the author's code on the way there, or "".
    """

    def __init__(self, doing: str, cause: BaseException) -> None:
        self.doing, self.cause, self.where = doing, cause, own_line(cause)
        super().__init__(f"{doing}: {one_line(cause)}")


@contextlib.contextmanager
def layer_code(doing: str) -> Iterator[None]:
    """Code of the layer runs inside: what it raises is the layer's failure, not the check's.

    A time-out, or whatever else its user raises from outside, is neither: it goes through.
    """
    try:
        yield
    except (LayerFailed, ModeAvoided, TimeoutError):
        raise
    except (Exception, SystemExit) as error:
        raise LayerFailed(doing, error) from error


def one_line(error: BaseException) -> str:
    """An exception in one line: its type, and the first lines that say something of its cause."""
    lines: list[str] = []
    quoted = False
    for line in NOISE.sub("", INNER.split(str(error))[-1]).splitlines():
        line = line.strip()
        if line.startswith("Arguments received"):
            break
        # TensorFlow quotes a traceback: each place with its code on the next line.
        if line and not quoted and not line.startswith(("File ", *BOILERPLATE)):
            lines.append(line)
        quoted = line.startswith("File ")
    text = " ".join(lines[:3])[:LONGEST].strip() or "(no message)"
    name = type(error).__name__
    return text if text.startswith(f"{name}:") else f"{name}: {text}"


def own_line(error: BaseException) -> str:
    """`file.py, line 12, in call: code` of the last frame of the author's own code, or ""."""
    frameworks = [folder for folder in map(folder_of, FRAMEWORKS) if folder]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if CONTRACTS in path.parents:
            if path.name in SPIES:
                continue
            return ""  # What called the check is not the layer's.
        generated = path.name.startswith("__autograph_generated") or not path.suffix
        if not generated and not any(folder in path.parents for folder in frameworks):
            code = f": {frame.line.strip()}" if frame.line else ""
            return f"{frame.filename}, line {frame.lineno}, in {frame.name}{code}"
    return ""


def folder_of(package: str) -> Path | None:
    """Where an imported package lies."""
    file = getattr(sys.modules.get(package), "__file__", None)
    return Path(file).parent if file else None
