"""What the user can put right: one clear line, exit code 2."""


class BadInput(ValueError):
    """A recording, model, setting or output folder that cannot be used; says why in one line."""
