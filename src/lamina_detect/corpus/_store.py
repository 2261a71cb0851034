"""The folder of results, on this machine or on an object store."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from lamina_detect._common import BadInput, atomic_write, first_line
from lamina_detect.corpus._errors import CannotWrite


def filesystem(url: str) -> tuple[Any, str, bool]:
    """fsspec's file system for `url`, the path in it, and whether it is this machine's."""
    try:
        import fsspec
        from fsspec.implementations.local import LocalFileSystem
    except ModuleNotFoundError:
        raise BadInput(
            "detecting in a whole corpus needs fsspec: pip install 'lamina[corpus]'"
        ) from None
    try:
        # What another process wrote meanwhile must be seen.
        fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        need = " pip install 'lamina[s3]'" if url.startswith("s3:") else ""
        raise BadInput(f"{url}: {first_line(error)}{need}") from None
    return fs, root.rstrip("/") or "/", isinstance(fs, LocalFileSystem)


def absolute(place: str | os.PathLike[str]) -> str:
    """A path from wherever a worker is; a URL stays as it is."""
    text = os.fspath(place)
    return text.rstrip("/") if "://" in text or "::" in text else str(pathlib.Path(text).resolve())


class Store:
    """Names below `url`. A file appears whole, under its name, or not at all.

    Here it is written beside under a name that begins with a dot, which readers of Parquet skip,
    and renamed; an object appears when its upload is complete.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.fs, self.root, self.local = filesystem(url)

    def path(self, name: str = "") -> str:
        """The path of a name for `fs`."""
        return f"{self.root}/{name}" if name else self.root

    def prepare(self) -> None:
        """The folder is there and can be written to; else `CannotWrite`."""
        probe = ".probe"
        with self.new(probe) as path:
            path.write_bytes(b"")
        self.remove(probe)

    @contextlib.contextmanager
    def new(self, name: str) -> Iterator[pathlib.Path]:
        """A path of this machine to write to; what was written becomes `name`."""
        if self.local:
            target = pathlib.Path(self.path(name))
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(target) as path:
                    yield path
            except OSError as error:
                raise CannotWrite(
                    f"{target.parent}: cannot be written: {error.strerror or error}"
                ) from None
            except BadInput as error:
                raise CannotWrite(str(error)) from None
            return
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / pathlib.PurePosixPath(name).name
            try:
                yield path
                self.fs.put_file(str(path), self.path(name))
            except Exception as error:  # of the store's own library
                raise CannotWrite(
                    f"{self.url}/{name}: cannot be written: {first_line(error)}"
                ) from None

    def names(self, folder: str) -> list[str]:
        """What lies in a folder, sorted; nothing where there is none."""
        try:
            found = self.fs.ls(self.path(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in found)

    def exists(self, name: str) -> bool:
        """Is there a file of this name?"""
        return bool(self.fs.exists(self.path(name)))

    def read(self, name: str) -> bytes:
        """What a file holds."""
        return self.fs.cat_file(self.path(name))

    def remove(self, name: str) -> None:
        """A file is gone, whether it was there or not."""
        try:
            self.fs.rm_file(self.path(name))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise CannotWrite(f"{self.path(name)}: cannot be removed: {error.strerror}") from None

    def table(self, name: str, columns: Sequence[str] | None = None) -> Any:
        """A Parquet file as a table of pyarrow."""
        with self.parquet(name) as file:
            return file.read(columns=columns and list(columns))

    @contextlib.contextmanager
    def parquet(self, name: str) -> Iterator[Any]:
        """A `pyarrow.parquet.ParquetFile`, closed after."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with self.fs.open(self.path(name), "rb") as raw, pq.ParquetFile(raw) as file:
                yield file
        except pa.ArrowInvalid as error:
            raise BadInput(
                f"{self.path(name)}: damaged: {first_line(error)}; without it, and the part of "
                "the same name in summary/, its batch is run again"
            ) from None
