"""The recording that is shown where none is given."""

import importlib.util
import pathlib

from lamina_detect._common import BadInput

DEMO = "KDD-TSAD_135/135_UCR_Anomaly_InternalBleeding16_{part}.csv"


def demo_path(part: str) -> pathlib.Path:
    """A part, TRAIN or TEST, of the demonstration recording, which the aeon package carries."""
    # Found, not imported: aeon takes seconds to load.
    aeon = importlib.util.find_spec("aeon")
    if aeon is None or not aeon.submodule_search_locations:
        raise BadInput("The demonstration needs aeon: pip install 'lamina[demo]'")
    folder = pathlib.Path(aeon.submodule_search_locations[0])
    return folder / "datasets" / "data" / DEMO.format(part=part)
