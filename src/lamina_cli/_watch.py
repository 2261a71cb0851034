"""`lamina watch`: a saved detector on samples as they come."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from lamina_cli._backend import BackendOption, choose_backend, import_keras

if TYPE_CHECKING:
    from lamina_detect.live import Sink

# Of the skipped lines, those that are told one by one: all of them are in the output.
TOLD = 5


def watch(
    model: Annotated[str, typer.Argument(help="model.keras of `lamina detect`.")],
    state: Annotated[str | None, typer.Option(help="File that survives being killed.")] = None,
    block: Annotated[int, typer.Option(help="Samples that are run together.")] = 4096,
    time: Annotated[
        str | None, typer.Option(help="Column of the times: its name, its number, or none.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="A bad line ends the run.")] = False,
    alarms_only: Annotated[
        bool, typer.Option("--alarms-only", help="No line for each sample.")
    ] = False,
    false_alarms: Annotated[
        str | None,
        typer.Option(metavar="RATE", help="Another rate than the model's: 0.001, 2/day."),
    ] = None,
    calm: Annotated[
        str | None,
        typer.Option(help="So long of quiet ends an alarm: 10s, or samples; else six windows."),
    ] = None,
    exec_: Annotated[
        str | None,
        typer.Option("--exec", metavar="COMMAND", help="Run for each alarm, JSON on its input."),
    ] = None,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Post each alarm there as JSON.")
    ] = None,
    send_ends: Annotated[
        bool, typer.Option("--send-ends", help="Send also that an alarm has ended.")
    ] = False,
    snooze: Annotated[
        str | None, typer.Option(help="After an alarm was sent, send no other for: 10min.")
    ] = None,
    serve: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Show a live page there.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="LAMINA_TOKEN", help="What others must know to see the page."),
    ] = None,
    stay: Annotated[
        bool, typer.Option("--stay", help="Show the page after the end, until Ctrl-C.")
    ] = False,
    backend: BackendOption = None,
) -> None:
    """Score samples from standard input, a line each, and tell of alarms.

    Writes a JSON line for each sample, for the start and end of each alarm, for each line that is
    no sample, and `{"ack": n}` when everything before sample n is durable in the state file;
    started again, send the samples from n on.
    """
    choose_backend(backend)
    import_keras()
    from lamina_detect import BadInput
    from lamina_detect import watch as run

    try:
        sinks = _sinks(exec_, webhook, send_ends, snooze)
        sinks += _page(serve, token, stay)
        run(
            model,
            sys.stdin,
            _write,
            state,
            block,
            time_column=time,
            strict=strict,
            alarms_only=alarms_only,
            false_alarms=false_alarms,
            calm=calm,
            note=_note,
            sinks=sinks,
        )
    except BadInput as error:
        _note(str(error))
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:
        # Nobody reads any more. Python would fail again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _note(text: str) -> None:
    typer.echo(f"lamina watch: {text}".replace("\n", " "), err=True)


def _sinks(
    command: str | None, webhook: str | None, ends: bool, snooze: str | None
) -> "list[Sink]":
    from lamina_detect.live import Notifier, Program, Sink, Webhook

    class Skipped(Sink):
        count = 0

        def skipped(self, number: int, reason: str) -> None:
            self.count += 1
            if self.count <= TOLD:
                _note(f"line {number} is skipped: {reason}")

    sends: list[Callable[[str, str], object]] = []
    sends += [Program(command)] if command is not None else []
    sends += [Webhook(webhook)] if webhook is not None else []
    return [Skipped(), *(Notifier(send, _note, ends, snooze) for send in sends)]


def _page(serve: str | None, token: str | None, stay: bool) -> "list[Sink]":
    from lamina_detect.live import Page

    return [] if serve is None else [Page(serve, token, stay, _note)]
