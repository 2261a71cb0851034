"""Where the recordings lie: a folder, or what fsspec takes for one."""

import contextlib
import os
import pathlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from lamina_detect._common import BadInput, first_line
from lamina_detect.corpus._job import Planned
from lamina_detect.corpus._store import filesystem
from lamina_detect.recordings import known_endings

HEADER = ".hea"
# What a file system knows of a file that changes when the file does, the surest first.
VERSIONS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "updated")


# A folder that holds these is the results of a job, and no recordings.
RESULTS = {"manifest.parquet", "summary"}


class Changed(BadInput):
    """A recording is not what it was when the plan was made."""


class Source:
    """The recordings below `url`: listed in order, fetched one at a time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.fs, self.root, self.local = filesystem(url)

    def planned(self, glob: str | None, without: str | None = None) -> Iterator[Planned]:
        """Every recording once, in the order of its id; one folder's names are held at a time.

        Args:
            glob: Which ids; by default those whose ending is known to `read`.
            without: A path that is not looked into: where the results go.
        """
        if not self.fs.isdir(self.root):
            raise BadInput(f"{self.url}: there is no such folder")
        yield from self._below("", _matcher(glob), without)

    def _below(
        self, folder: str, wanted: re.Pattern[str], without: str | None
    ) -> Iterator[Planned]:
        entries = self._entries(folder)
        if entries.keys() >= RESULTS:
            return
        records = {stem for stem, ending in map(_parts, entries) if ending == HEADER}
        companions: dict[str, list[str]] = {stem: [] for stem in records}
        for name, info in entries.items():
            stem, ending = _parts(name)
            if stem in records and not _is_folder(info) and _belongs(ending):
                companions[stem].append(name)
        # A folder's name sorts as its paths do: with the stroke.
        for name in sorted(entries, key=lambda n: n + "/" * _is_folder(entries[n])):
            path = f"{folder}{name}"
            if _is_folder(entries[name]):
                if f"{self.root}/{path}" != without:
                    yield from self._below(f"{path}/", wanted, without)
                continue
            stem, ending = _parts(name)
            if not wanted.fullmatch(path) or (stem in records and _belongs(ending)):
                continue
            files = [name, *companions[stem]] if ending == HEADER else [name]
            infos = {f: self._known(folder, f, entries[f]) for f in files}
            yield Planned(path, files, *_stamp(infos))

    def _entries(self, folder: str) -> dict[str, Any]:
        """What lies in a folder, hidden names left out: `{name: what is known of it}`.

        Of a folder of this machine that is only whether it is one: the rest is asked when it is
        needed, so that a hundred thousand names stay names.
        """
        path = f"{self.root}/{folder}".rstrip("/")
        try:
            if self.local:
                with os.scandir(path or "/") as found:
                    known = {e.name: e.is_dir(follow_symlinks=False) for e in found}
            else:
                listed = self.fs.ls(path, detail=True)
                known = {i["name"].rstrip("/").rpartition("/")[2]: i for i in listed}
        except Exception as error:  # of any store's own library
            why = getattr(error, "strerror", None) or first_line(error)
            raise BadInput(f"{self.url}/{folder}: cannot be listed: {why}") from None
        return {name: info for name, info in known.items() if name and not name.startswith(".")}

    def _known(self, folder: str, name: str, info: Any) -> Mapping[str, Any]:
        """Size and version of a file; of a link that leads nowhere, nothing."""
        try:
            f"{folder}{name}".encode()
        except UnicodeEncodeError:
            raise BadInput(f"{folder}{name!r}: the name is not UTF-8; rename it") from None
        try:
            return self._info(f"{folder}{name}") if self.local else info
        except FileNotFoundError:
            return {"size": 0}

    def _info(self, path: str) -> Mapping[str, Any]:
        if self.local:
            # fsspec's own has the time in floating point.
            found = pathlib.Path(f"{self.root}/{path}").stat()
            return {"size": found.st_size, "mtime": found.st_mtime_ns}
        return self.fs.info(f"{self.root}/{path}")

    def again(self, planned: Planned) -> Planned:
        """The recording as it is now; `Changed` where a file of it is gone."""
        folder = planned.id[: planned.id.rfind("/") + 1]
        try:
            infos = {name: self._info(f"{folder}{name}") for name in planned.files}
        except FileNotFoundError as error:
            raise Changed(f"{self.url}/{planned.id}: is gone: {first_line(error)}") from None
        return Planned(planned.id, planned.files, *_stamp(infos))

    @contextlib.contextmanager
    def fetched(self, planned: Planned) -> Iterator[pathlib.Path]:
        """The recording as a path of this machine, for as long as the block runs.

        Raises:
            Changed: when the block begins or ends, if it is not what was planned.
        """
        self._check(planned)
        if self.local:
            yield pathlib.Path(f"{self.root}/{planned.id}")
        else:
            with tempfile.TemporaryDirectory() as folder:
                yield self._fetch(planned, pathlib.Path(folder))
        self._check(planned)

    def _check(self, planned: Planned) -> None:
        now = self.again(planned)
        if (now.size, now.version) != (planned.size, planned.version):
            raise Changed(
                f"{self.url}/{planned.id}: changed since the plan was made ({planned.size} bytes "
                f"then, {now.size} now); --retry-failed takes it as it is"
            )

    def _fetch(self, planned: Planned, folder: pathlib.Path) -> pathlib.Path:
        """Its files; of a WFDB record also those that its header names and its name does not."""
        parent = f"{self.root}/{planned.id}".rpartition("/")[0]
        for name in planned.files:
            self.fs.get_file(f"{parent}/{name}", str(folder / name))
        own = folder / planned.files[0]
        if own.suffix == HEADER:
            lines = own.read_text("latin-1").splitlines()
            named = {line.split()[0] for line in lines[1:] if line.strip() and line[0] != "#"}
            for name in sorted(named - set(planned.files)):
                if "/" not in name and self.fs.exists(f"{parent}/{name}"):
                    self.fs.get_file(f"{parent}/{name}", str(folder / name))
        return own


def _parts(name: str) -> tuple[str, str]:
    stem, dot, ending = name.rpartition(".")
    return (stem, f".{ending.lower()}") if dot else (name, "")


def _belongs(ending: str) -> bool:
    """May a file of this ending be a part of a WFDB record, beside its header?"""
    return ending == ".dat" or (ending != HEADER and ending not in known_endings())


def _is_folder(info: Any) -> bool:
    return info if isinstance(info, bool) else info["type"] == "directory"


def _matcher(glob: str | None) -> re.Pattern[str]:
    if glob is None:
        endings = "|".join(re.escape(ending) for ending in sorted({HEADER, *known_endings()}))
        return re.compile(f"(?i).*(?:{endings})", re.DOTALL)
    from fsspec.utils import glob_translate

    return re.compile(glob_translate(glob))


def _stamp(infos: Mapping[str, Mapping[str, Any]]) -> tuple[int, str]:
    """Bytes in all, and the version of each file."""
    versions = []
    for info in infos.values():
        known = next((str(info[key]) for key in VERSIONS if info.get(key)), "")
        versions.append(known.strip('"'))
    return sum(int(info["size"] or 0) for info in infos.values()), ",".join(versions)
