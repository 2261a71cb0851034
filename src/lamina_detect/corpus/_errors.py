"""What ends a whole job: in one sentence, as `BadInput` is."""

import errno

from lamina_detect._common import BadInput

# Of the place that is written to, not of the recording that is read.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


class CannotWrite(BadInput):
    """The results cannot be written: the job stops, and nothing that is done is lost."""


def is_full(error: BaseException) -> bool:
    """Is it a full disk, whatever was being done?"""
    return isinstance(error, OSError) and error.errno in NO_ROOM
