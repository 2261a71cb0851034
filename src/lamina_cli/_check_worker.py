"""The worker of `lamina check`: reads a job, runs contracts, reports to its parent line by line.

`python -m lamina_cli._check_worker FD` with the job as JSON on its standard input.
"""

import dataclasses
import functools
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lamina_cli._check_targets import CannotRun, Subject, subjects

if TYPE_CHECKING:
    from lamina.contracts import Case


def main() -> None:
    """One job; exit code 0 even when contracts break, for the parent judges."""
    pipe = os.fdopen(int(sys.argv[1]), "w", buffering=1)

    def send(**message: Any) -> None:
        pipe.write(json.dumps(message, default=str) + "\n")
        pipe.flush()

    job = json.load(sys.stdin)
    try:
        work(job, send)
    except Exception as error:
        from lamina.contracts import CheckError

        known = isinstance(error, CannotRun | CheckError | ValueError | TypeError)
        send(error=str(error) if known else f"{type(error).__name__}: {error}")


def work(job: dict[str, Any], send: Callable[..., None]) -> None:
    """Every layer of the target, every contract that has no result yet; then its report.

    Sends, in this order: `opening` a layer, `started` and `result` of each contract, `mode` around
    each call, `report` of each layer, or `note` where it could not be opened. `job["results"]`
    holds what earlier workers, which died, had found of each, `job["avoid"]` the modes that killed
    them, `job["skip"]` the layers that did.
    """
    from lamina.contracts import CheckError, sandbox

    with sandbox():
        for number, subject in enumerate(subjects(job, lambda text: send(note=str(text)))):
            if number in job["skip"]:
                continue
            send(opening=subject.name, number=number)
            try:
                check(job, number, subject, send)
            except (CheckError, TypeError) as error:
                if not subject.found:
                    raise
                send(note=f"{subject.name} was not checked: {error}", number=number)


def check(job: dict[str, Any], number: int, subject: Subject, send: Callable[..., None]) -> None:
    """One layer's contracts and report."""
    from lamina.contracts import Result, open_case, report

    settings = job["layers"].get(subject.name.partition(" (")[0], {})
    expected = settings.get("expected_failures", {})
    case = open_case(
        subject.target,
        subject.inputs,
        subject.kwargs,
        {**settings.get("traits", {}), **job["traits"]},
        options=subject.options,
        called=subject.name if subject.found else "",
        watch=lambda mode: send(mode=mode),
        avoid=job["avoid"].get(str(number), ()),
    )
    results = [Result(**found) for found in job["results"].get(str(number), [])]
    done = {r.contract for r in results}
    todo = examinations(job, case, number, expected)
    for place, (contract, examination) in enumerate(todo.items()):
        if contract in done:
            continue
        send(started=contract, number=number, place=place, of=len(todo))
        results.append(examination())
        send(result=dataclasses.asdict(results[-1]), number=number)
    finished = report(case, results)
    try:
        script = finished.reproduce() if job["reproduce"] and finished.broken else None
    except ValueError as error:
        script = None
        send(note=f"{subject.name}: {error}")
    send(report=finished.to_dict(), text=str(finished), script=script)


def examinations(
    job: dict[str, Any], case: "Case", number: int, expected: dict[str, str]
) -> dict[str, functools.partial]:
    """How each contract that is to be run gives its result, by its id."""
    from lamina.contracts import across_backends, examine, select

    chosen = job["contracts"].split(",") if job["contracts"] else "fast" if job["fast"] else None
    each = {
        c.id: functools.partial(examine, c, case, expected.get(c.id))
        for c in select(chosen, case.target.kind)
    }
    if not job["portable"]:
        return each
    path = f"{job['portable']}-{number}"
    across = {"portable.backends": functools.partial(across_backends, case, path, job["first"])}
    # Several backends run: their outputs are compared first of all, whatever was chosen.
    return across | each | across


if __name__ == "__main__":
    main()
