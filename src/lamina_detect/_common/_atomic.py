"""Files that appear under their name only when they are complete."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

from lamina_detect._common._errors import BadInput


@contextlib.contextmanager
def atomic_write(path: pathlib.Path, durable: bool = False) -> Iterator[pathlib.Path]:
    """A temporary path with the ending of `path`, renamed to it when all went well.

    Args:
        path: What was there before stays until the rename, and stays for good after an error.
        durable: The file and its name are on the disk when the block ends, not on their way to it.

    Raises:
        BadInput: if it cannot be written.
    """
    # Beside it: a rename replaces a file at once only within one file system.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        if durable:
            _sync(temporary)
        temporary.replace(path)
        if durable:
            _sync(path.parent)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: pathlib.Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
