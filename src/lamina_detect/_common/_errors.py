"""What the user can put right: one clear line, exit code 2."""


class BadInput(ValueError):
    """A recording, model, setting or output folder that cannot be used; says why in one line."""


def first_line(error: Exception) -> str:
    """What an error of another library says, in one line."""
    return (str(error) or type(error).__name__).splitlines()[0]
