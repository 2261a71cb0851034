"""`detect_corpus`: every recording of a folder or a bucket, whatever happens on the way."""

import dataclasses
import hashlib
import importlib.metadata
import math
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lamina_detect._common import BadInput
from lamina_detect.corpus._attempts import forget_attempts
from lamina_detect.corpus._interrupt import Interrupt
from lamina_detect.corpus._job import Batch, Job, Outcome, Planned
from lamina_detect.corpus._local import run_local
from lamina_detect.corpus._lock import only_driver
from lamina_detect.corpus._page import INDEX, write_page
from lamina_detect.corpus._parts import SUMMARY, clean, part
from lamina_detect.corpus._plan import Plan, batches_of, check_same, write_plan
from lamina_detect.corpus._process import Died, Process
from lamina_detect.corpus._ray import run_ray
from lamina_detect.corpus._source import Changed, Source
from lamina_detect.corpus._store import Store, absolute
from lamina_detect.corpus._totals import failed_ids, standing
from lamina_detect.corpus._worker import MODEL
from lamina_detect.results import FALSE_ALARMS, FalseAlarms

ENGINES = ("local", "ray")


@dataclasses.dataclass(frozen=True)
class Standing:
    """Where a job stands.

    `planned`, `done`: recordings. `total`: of all that is done, in earlier runs too. `left`:
    seconds until the end, None where that is not known yet. `interrupted`: by Ctrl-C.
    """

    planned: int
    done: int
    total: Outcome
    left: float | None = None
    interrupted: bool = False


def detect_corpus(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    glob: str | None = None,
    model: str | os.PathLike[str] | None = None,
    fit: str | os.PathLike[str] | None = None,
    fit_each: bool = False,
    fit_corpus: bool = False,
    workers: int | None = None,
    engine: str = "local",
    address: str | None = None,
    retry_failed: bool = False,
    scores: bool = True,
    reading: Mapping[str, Any] | None = None,
    false_alarms: float | str = FALSE_ALARMS,
    threshold: float | None = None,
    progress: Callable[[Standing], object] | None = None,
    **settings: Any,
) -> Standing:
    """Find what is unusual in every recording below a folder; called again, go on.

    Args:
        source: A folder, or a URL that fsspec knows, such as s3://bucket/folder.
        out: Where the results go, a folder or such a URL. See docs/corpus.md.
        glob: Which recordings: a pattern of paths below `source`, such as "**/*.hea". By default
            all files that `read` takes.
        model: A saved detector that scores all of them; or
        fit: the recording that one is fitted on; or
        fit_each: each is scored by a detector fitted on itself; or
        fit_corpus: all are scored by one that is fitted on all of them.
        workers: Processes with one thread each; by default one for each processor.
        engine: "local", or "ray".
        address: Of a Ray cluster that runs, or "auto"; by default one is started here.
        retry_failed: Try again what failed or crashed before, as it is now.
        scores: Whether the scores are kept, beside events and summary.
        reading: Arguments of `read`.
        false_alarms, threshold: As in `detect`.
        progress: Called with a `Standing` whenever a batch is done.
        settings: Of the `Detector` that is fitted.

    Returns:
        Where the job stands at its end.

    Raises:
        BadInput: one sentence: what is wrong with what was given, or with the place of the results.
    """
    learning = _learning(model=model, fit=fit, fit_each=fit_each, fit_corpus=fit_corpus)
    workers = workers or os.cpu_count() or 1
    if engine not in ENGINES:
        raise BadInput(f"`engine` must be one of {', '.join(ENGINES)}. Received: {engine!r}")
    if workers < 1:
        raise BadInput(f"`workers` must be a positive whole number. Received: {workers}")
    accepted = str(FalseAlarms.parse(false_alarms))
    if threshold is not None and not 0 < threshold < math.inf:
        raise BadInput(f"`threshold` must be a score above 0. Received: {threshold!r}")
    where, to = absolute(source), absolute(out)
    job = Job(where, to, fit_each, settings, reading or {}, accepted, threshold, scores)
    store = Store(job.out)
    store.prepare()
    with only_driver(store), Interrupt() as interrupt:
        processes = [Process(job) for _ in range(workers if engine == "local" else 1)]
        try:
            _plan(job, store, glob, learning, processes[0])
            if retry_failed:
                _forget_failed(Source(job.source), store)
            return _run(job, store, processes, (engine, workers, address), interrupt, progress)
        finally:
            for process in processes:
                process.stop()


def _learning(**ways: Any) -> tuple[str, str]:
    """How the model comes about, exactly one way, and the file that it takes."""
    given = [name for name, value in ways.items() if value]
    if len(given) != 1:
        raise BadInput(
            "say where the model comes from, by one of `model` (a saved one), `fit` (a recording "
            "to learn from), `fit_each` and `fit_corpus`. "
            f"Received: {', '.join(given) or 'none'}"
        )
    return given[0], "" if ways[given[0]] is True else os.fspath(ways[given[0]])


def _plan(
    job: Job, store: Store, glob: str | None, learning: tuple[str, str], process: Process
) -> None:
    """The plan is there, and is that of this job; the model is there too."""
    plan = Plan(store)
    asked = _fingerprint(job, glob, learning)
    if plan.exists():
        check_same(plan.fingerprint(), asked | _model(job, store), store.url)
    else:
        source = Source(job.source)
        inside = store.root if store.local == source.local else None
        _make_model(store, learning, process, (glob, inside))
        asked |= _model(job, store)
        write_plan(store, batches_of(source.planned(glob, inside)), asked)
    clean(store)
    forget_attempts(store)


def _make_model(
    store: Store,
    learning: tuple[str, str],
    process: Process,
    which: tuple[str | None, str | None],
) -> None:
    """model.keras of the results, unless each recording has its own."""
    way, path = learning
    try:
        if way == "model":
            with store.new(MODEL) as new:
                new.write_bytes(_content([pathlib.Path(path)]))
        elif way == "fit":
            process.call("fit", path)
        elif way == "fit_corpus":
            process.call("fit_corpus", *which)
    except Died as death:
        raise BadInput(f"{path or store.url}: {death} while it learned") from None


def _model(job: Job, store: Store) -> dict[str, str]:
    """The model that scores, by its SHA-256."""
    if job.each:
        return {}
    if not store.exists(MODEL):
        raise BadInput(f"{store.url}: has a plan and no {MODEL}: name another folder with --out")
    return {"model": hashlib.sha256(store.read(MODEL)).hexdigest()}


def _fingerprint(job: Job, glob: str | None, learning: tuple[str, str]) -> dict[str, Any]:
    """What must not differ from one run to the next."""
    way, path = learning
    sha = hashlib.sha256(_content(_files_of(path))).hexdigest() if path else ""
    try:
        version = importlib.metadata.version("lamina")
    except importlib.metadata.PackageNotFoundError:
        version = "unknown"
    return {
        "source": job.source,
        "glob": glob,
        "model from": f"{way} {sha}".strip(),
        "settings": _plain(job.detector),
        "reading": _plain({k: v for k, v in job.reading.items() if v}),
        "false_alarms": job.false_alarms,
        "threshold": job.threshold,
        "scores": job.scores,
        "backend": os.environ.get("KERAS_BACKEND", "Keras' own choice"),
        "lamina": version,
    }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON gives it back."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _files_of(path: str) -> list[pathlib.Path]:
    """A model or a recording: its file, or the files of a WFDB record."""
    file = pathlib.Path(path)
    record = file.with_suffix("")
    if record.with_suffix(".hea").exists():
        return sorted(p for p in record.parent.glob(f"{record.name}.*") if p.is_file())
    return [file]


def _content(files: list[pathlib.Path]) -> bytes:
    try:
        return b"".join(file.read_bytes() for file in files)
    except OSError as error:
        raise BadInput(f"{error.filename}: cannot be read: {error.strerror}") from None


def _forget_failed(source: Source, store: Store) -> None:
    """The plan takes what failed as it is now, and its batches are no longer done."""
    _, _, failing = standing(store)
    ids = failed_ids(store, sorted(failing))
    if not ids:
        return
    plan = Plan(store)

    def renewed() -> Iterator[Batch]:
        for batch in plan.batches():
            recordings = [_now(source, p) if p.id in ids else p for p in batch.recordings]
            yield Batch(batch.name, recordings)

    write_plan(store, renewed(), plan.fingerprint())
    for batch in failing:
        store.remove(part(SUMMARY, batch))


def _now(source: Source, planned: Planned) -> Planned:
    try:
        return source.again(planned)
    except Changed:  # it is gone, and the worker will say so
        return planned


def _run(
    job: Job,
    store: Store,
    processes: list[Process],
    how: tuple[str, int, str | None],
    interrupt: Interrupt,
    progress: Callable[[Standing], object] | None,
) -> Standing:
    plan = Plan(store)
    planned, _ = plan.size()
    total, done, _ = standing(store)
    began, before = time.monotonic(), total.recordings

    def stand() -> Standing:
        new = total.recordings - before
        pace = (time.monotonic() - began) / new if new else None
        left = pace * (planned - total.recordings) if pace is not None else None
        return Standing(planned, total.recordings, dataclasses.replace(total), left)

    report = progress or (lambda standing: None)
    report(stand())
    if total.recordings < planned:
        # It would show what was.
        store.remove(INDEX)
    todo = (batch for batch in plan.batches() if batch.name not in done)
    engine, workers, address = how
    if engine == "local":
        outcomes = run_local(processes, todo, interrupt.stopped)
    else:
        outcomes = run_ray(job, todo, workers, address, interrupt.stopped)
    try:
        for outcome in outcomes:
            total.add(outcome)
            report(stand())
    except KeyboardInterrupt:
        return dataclasses.replace(stand(), interrupted=True)
    if total.recordings < planned:
        return dataclasses.replace(stand(), interrupted=True)
    if not store.exists(INDEX):
        clean(store)  # What workers left that died in this run.
        write_page(store, processes[0], planned)
    return stand()
