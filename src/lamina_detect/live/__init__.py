"""Samples as they come: scores, alarms, and where they go.

_job          the job, from lines of text to results
_session      what came and what is due
_line_reader, _lines    lines as they come; a line to a sample
_watch        scores, with a state that survives being killed
_alarms       when an alarm begins and has ended
_sinks        where results go: _json_lines; _notify, to _program or _webhook; _page, by _server
"""

from lamina_detect.live._job import watch
from lamina_detect.live._notify import Notifier
from lamina_detect.live._page import Page
from lamina_detect.live._program import Program
from lamina_detect.live._sinks import Batch, Line, Sink
from lamina_detect.live._watch import Watch
from lamina_detect.live._webhook import Webhook

__all__ = ["Batch", "Line", "Notifier", "Page", "Program", "Sink", "Watch", "Webhook", "watch"]
