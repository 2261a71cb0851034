"""Time zones: offsets in text, and the zone that has them."""

import datetime
import re
import zoneinfo
from typing import Any

import numpy as np

# Zones that are tried first where several have the offsets of a file.
COMMON_ZONES = (
    "Europe/Berlin Europe/London Europe/Athens America/New_York America/Chicago America/Denver "
    "America/Los_Angeles America/Halifax America/Sao_Paulo Australia/Sydney Australia/Adelaide "
    "Pacific/Auckland Asia/Jerusalem America/Santiago Africa/Cairo Atlantic/Azores"
).split()

# In hours. Those of e-mail (RFC 2822), and of Europe and Japan; others, as IST, have several.
ABBREVIATIONS = {
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
    "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2, "EEST": 3,
    "MSK": 3, "JST": 9,
}  # fmt: skip


def index_of(local: np.ndarray) -> Any:
    import pandas as pd

    return pd.DatetimeIndex(local)


def strings_of(part: Any) -> np.ndarray:
    return part.fill_null("").to_numpy(zero_copy_only=False).astype(str)


def offsets_of(zones: Any) -> tuple[np.ndarray, np.ndarray]:
    """East of Greenwich, and where an offset stands."""
    encoded = zones.fill_null("").dictionary_encode()
    seconds = np.array([_offset(z) for z in encoded.dictionary.to_pylist()], "int64")
    stands = np.array([z != "" for z in encoded.dictionary.to_pylist()])
    indices = encoded.indices.to_numpy(zero_copy_only=False)
    return (seconds[indices] * 1_000_000_000).astype("timedelta64[ns]"), stands[indices]


def _offset(zone: str) -> int:
    if zone in ABBREVIATIONS:
        return 3600 * ABBREVIATIONS[zone]
    found = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?", zone)
    if not found:
        return 0
    seconds = int(found[2]) * 3600 + int(found[3] or 0) * 60
    return -seconds if found[1] == "-" else seconds


def in_zone(
    local: np.ndarray, offsets: np.ndarray, right: np.ndarray, regions: Any
) -> tuple[Any, list[str]]:
    """Times of one zone, whose wall clock is that of the cells."""
    utc = index_of(local - offsets).tz_localize("UTC")
    region = next((r for r in strings_of(regions)[:1] if r), None)
    if region in zoneinfo.available_timezones():
        return utc.tz_convert(region), []
    distinct = np.unique(offsets[right]).astype("timedelta64[s]").astype(int)
    if len(distinct) == 1:
        zone = datetime.timezone(datetime.timedelta(seconds=int(distinct[0])))
        return utc.tz_convert(zone if distinct[0] else "UTC"), []
    for name in (*COMMON_ZONES, *sorted(zoneinfo.available_timezones())):
        shown = utc.tz_convert(name).tz_localize(None).to_numpy()
        if (shown[right] == local[right]).all():
            return utc.tz_convert(name), []
    return utc, ["the offsets of the times are those of no time zone: shown in UTC"]
