"""Why a layer cannot stream, and what to use instead."""


class Refused(Exception):
    """Raised by a rule; the plan adds the path and raises it as a ValueError."""

    def __init__(self, reason, repair):
        super().__init__(reason)
        self.reason = reason
        self.repair = repair

    def at(self, path, op):
        """The error that the user sees."""
        return ValueError(
            f"`Stream` cannot run {path} ({type(op).__name__}): {self.reason}.\n{self.repair}"
        )
