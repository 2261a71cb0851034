"""What the names of columns say."""

import re

# The words of a name that says "time" and nothing else; with a unit they are the times themselves.
TIME = frozenset(
    "time times timestamp timestamps ts t date dates datetime zeit zeitstempel datum uhrzeit "
    "epoch unix "
    "posix utc local gmt elapsed relative rel tijd fecha hora heure horodatage dato tid czas "
    "stamp day "
    "tmstmp dt when recorded measured sampled created at".split()
)
# Words of TIME that are no times by themselves.
WEAK = frozenset("at day dt recorded measured sampled created local rel relative".split())
SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "sekunden": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "millis": 1e-3,
    "milliseconds": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "usec": 1e-6,
    "microseconds": 1e-6,
    "ns": 1e-9,
    "nanoseconds": 1e-9,
    "min": 60.0,
    "mins": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hours": 3600.0,
    "days": 86400.0,
}
# The first of these that a table has marks its anomalies; the others are left out all the same.
LABELS = (
    "anomaly is_anomaly anomalous is_anomalous anomalies label labels is_outlier outlier "
    "outliers ground_truth gt fault is_fault attack normal/attack"
).split()
OTHER_LABELS = frozenset(
    "changepoint change_point is_changepoint changepoints class target anomaly_label "
    "anomaly_type".split()
)
COUNTERS = frozenset(
    "year id index idx row rows row_number rownumber row_id no no. nr nr. # number seq seq_no "
    "sequence record "
    "recnbr rn recnum record_number counter sample sample_id sample_no sample_number samples n "
    "lfd.nr. "
    "lfdnr line i obs observation".split()
)
FLAGS = frozenset(
    "quality status state flag flags valid validity qc qa good ok error_code alarm q "
    "quality_flag".split()
)
# A flag of one signal among several: `TI101.PV.Quality`, `flow_status`.
ENDING = re.compile(r"[_ .:/-](?:quality|status|flags?|valid|qc|qa|ok)$")
# Of a day; a column of days may stand beside one.
HOURS = frozenset("hour hours hr stunde heure hora ora uur he hour_ending hourending".split())
# What InfluxDB writes beside the values.
INFLUX = frozenset(("result", "table"))


def plain(name: str) -> str:
    """A name in small letters, without brackets and what stands in them."""
    return re.sub(r"[\[(].*?[\])]", "", name).strip(" _\"'").casefold()


def words_of(name: str) -> list[str]:
    """The words of a name, its unit included: `Elapsed_ms` gives `elapsed` and `ms`."""
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W\d_]+", parts.casefold())


def is_time(name: str) -> bool:
    """Does the name say "time", perhaps with a unit or a zone, and nothing else?"""
    words = words_of(name)
    own = [word for word in words if word in TIME]
    rest = [word for word in words if word not in TIME and word not in SECONDS]
    return not rest and (
        bool(set(own) - WEAK) or bool(words and words[0] in SECONDS and words[0] not in "sh")
    )


def mentions_time(name: str) -> bool:
    """Is one of its words a word for time?"""
    return bool((set(words_of(name)) & TIME) - WEAK - {"t"})


def seconds_in(name: str) -> float | None:
    """The unit that a name of times states, in seconds."""
    return next((SECONDS[w] for w in reversed(words_of(name)) if w in SECONDS), None)


def is_label(name: str) -> bool:
    return plain(name) in LABELS or plain(name) in OTHER_LABELS


def is_counter(name: str) -> bool:
    name = plain(name)
    return name in COUNTERS or name.startswith("unnamed: ") or name.endswith(("_id", " id"))


def is_flag(name: str) -> bool:
    name = plain(name)
    return name in FLAGS or name.startswith(("is_", "has_")) or bool(ENDING.search(name))
