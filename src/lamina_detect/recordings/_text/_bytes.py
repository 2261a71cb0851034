"""The bytes of a file, compressed or not, or of standard input."""

import bz2
import gzip
import lzma
import mmap
import pathlib
import sys
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, Any

from lamina_detect._common import BadInput, first_line

# Read as one piece from standard input and out of a compressed file; a table of this size takes
# as much again in memory, and more may be a small file made to unpack without end.
MOST_BYTES = 8 << 30
PIECE = 1 << 24
STANDARD_INPUT = "-"


def read_bytes(path: pathlib.Path) -> Any:
    """What `path` holds, unpacked: bytes, or a memory map that reads like them."""
    try:
        if str(path) == STANDARD_INPUT:
            return _all(path, sys.stdin.buffer)
        with path.open("rb") as file:
            opener = _opener(file.read(6))
            file.seek(0)
            if opener is None:
                return _mapped(file)
            with opener(path, file) as unpacked:
                return _all(path, unpacked)
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise BadInput(
            f"{path}: damaged, or ends too early to be unpacked: {first_line(error)}; get it again"
        ) from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or first_line(error)}") from None
    except (RuntimeError, NotImplementedError, ValueError) as error:
        raise BadInput(f"{path}: cannot be unpacked: {first_line(error)}") from None


def _opener(magic: bytes) -> Callable[[pathlib.Path, IO[bytes]], Any] | None:
    """How to unpack a file that begins like this: by content, since a name may be wrong."""
    known = {
        b"\x1f\x8b": lambda path, file: gzip.open(file),
        b"BZh": lambda path, file: bz2.open(file),
        b"\xfd7zXZ\0": lambda path, file: lzma.open(file),
        b"\x28\xb5\x2f\xfd": _zstandard,
        b"PK\x03\x04": _only_member,
    }
    return next((opener for start, opener in known.items() if magic.startswith(start)), None)


def _zstandard(path: pathlib.Path, file: IO[bytes]) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")


def _only_member(path: pathlib.Path, file: IO[bytes]) -> IO[bytes]:
    archive = zipfile.ZipFile(file)
    names = [n for n in archive.namelist() if not n.endswith("/") and not n.startswith("__MACOSX")]
    if any(name.startswith("xl/") for name in names):
        raise BadInput(f"{path}: an Excel workbook; save its sheet as CSV")
    if len(names) != 1:
        listed = ", ".join(names[:5])
        raise BadInput(f"{path}: holds {len(names)} files ({listed}), not one; unpack it first")
    return archive.open(names[0])


def _all(path: pathlib.Path, file: Any) -> bytes:
    pieces, size = [], 0
    while piece := file.read(PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise BadInput(f"{path}: more than {MOST_BYTES >> 30} GiB unpacked; convert to Parquet")
    return b"".join(pieces)


def _mapped(file: IO[bytes]) -> Any:
    """Mapped into memory: only what is looked at is read. An empty file cannot be."""
    if not file.seek(0, 2):
        return b""
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError:  # a pipe, or a device
        file.seek(0)
        return file.read()
