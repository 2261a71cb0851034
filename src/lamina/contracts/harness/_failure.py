"""What the layer's own code raises, kept separate from what goes wrong in a check."""

import contextlib
import re
from collections.abc import Iterator

# Colours, and TensorFlow's names for its own nodes.
NOISE = re.compile(r"\x1b\[\d+m|\{\{function_node [^}]*\}\} ?")


class CheckError(Exception):
    """A target that could not be imported, constructed, built or called: which, and why."""


class LayerFailed(Exception):
    """The layer's own code raised where a right layer works."""

    def __init__(self, doing: str, cause: BaseException) -> None:
        self.doing, self.cause = doing, cause
        super().__init__(f"{doing}: {one_line(cause)}")


@contextlib.contextmanager
def layer_code(doing: str) -> Iterator[None]:
    """Code of the layer runs inside: what it raises is the layer's failure, not the check's."""
    try:
        yield
    except (KeyboardInterrupt, LayerFailed):
        raise
    except BaseException as error:
        raise LayerFailed(doing, error) from error


def one_line(error: BaseException) -> str:
    """An exception in one line: its type, and the first lines that say something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("File ", "in user code", "Arguments"))]
    text = NOISE.sub("", " ".join(kept[:3]))[:300].strip() or "(no message)"
    return f"{type(error).__name__}: {text}"
