"""An alarm to a program."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess

from lamina_detect._common import BadInput
from lamina_detect.live._notify import Undelivered

# Seconds after which the program is ended.
PATIENCE = 60.0


class Program:
    """Runs a command for each event, with the event as JSON on its standard input.

    The command is cut into words and run without a shell: nothing in an event can become a command.
    What it prints is not shown.

    Args:
        command: Program and arguments, quoted as in a shell.
    """

    def __init__(self, command: str, patience: float = PATIENCE) -> None:
        try:
            self.words = shlex.split(command)
        except ValueError as error:
            raise BadInput(f"exec: {error}. Received: {command}") from None
        if not self.words or shutil.which(self.words[0]) is None:
            raise BadInput(f"exec: there is no program {(self.words or [''])[0]!r} that can be run")
        self.patience = patience

    def __call__(self, text: str, key: str) -> None:
        """Run it once; `Undelivered`, without another try, if it fails."""
        try:
            process = subprocess.Popen(
                self.words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
                # A group of its own: what it has started ends with it.
                start_new_session=True,
            )
        except OSError as error:
            raise Undelivered(f"{self.words[0]}: {error.strerror}", again=False) from None
        try:
            process.communicate(text + "\n", self.patience)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            reason = f"{self.words[0]} had not ended after {self.patience:g} s"
            raise Undelivered(reason, again=False) from None
        if process.returncode:
            reason = f"{self.words[0]} ended with {process.returncode}"
            raise Undelivered(reason, again=False)
