"""CSV files: columns of numbers, with or without a header line and a time column."""

import numpy as np

from lamina_detect._errors import BadInput
from lamina_detect._recording import Recording

TIME = {"time", "timestamp", "date", "datetime", "index", "t"}
LABEL = {"label", "is_anomaly", "anomaly"}


def read_csv(path, columns=None, rate=None):
    """The recording in a CSV file; see `read`."""
    import pandas as pd

    try:
        with path.open("rb") as file:
            first = file.readline(65536)
        header = None if _all_numbers(first) else 0
        # Universal newlines: on a lone carriage return pandas' parser takes memory without end.
        with path.open(encoding="utf-8-sig") as file:
            table = pd.read_csv(file, header=header, skipinitialspace=True, low_memory=False)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise BadInput(f"{path}: not a CSV file: {str(error).splitlines()[0]}") from None
    table.columns = [str(name).strip() for name in table.columns]
    return from_table(path, table, columns, rate, named=header is not None)


def from_table(path, table, columns, rate, named=True):
    """The recording in a table of named columns."""
    _, label, times, step = special(table, named)
    chosen = _signals(path, table, columns, {label, times is not None and times.name})
    values = [_numbers(path, table[name]) for name in chosen]
    return Recording.from_array(
        np.stack(values, 1),
        rate=rate or step,
        leads=chosen,
        name=path.stem,
        times=None if times is None else times.to_numpy(),
        labels=None if label is None else table[label].fillna(0).to_numpy() != 0,
    )


def special(table, named):
    """The table's label column, its times, and the samples a second that these tell."""
    label = next((c for c in table.columns if c.lower() in LABEL), None)
    if not named and table.shape[1] > 1 and set(table.iloc[:, -1].unique()) <= {0, 1}:
        label = table.columns[-1]
    name = next((c for c in table.columns if c.lower() in TIME), None)
    if name is None:
        return name, label, None, None
    times = _times(table[name])
    if times is None or len(times) < 2:
        return name, label, times, None
    steps = np.diff(times.to_numpy())
    if np.issubdtype(steps.dtype, np.timedelta64):
        steps = steps / np.timedelta64(1, "s")
    step = float(np.median(steps))
    # Whole numbers one apart count samples: they tell no rate.
    return name, label, times, 1 / step if step > 0 and step != 1 else None


def _times(column):
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return column
    try:
        return pd.to_datetime(column)
    except (ValueError, TypeError, OverflowError):
        return None


def _signals(path, table, columns, taken):
    if columns:
        for name in columns:
            if name not in table.columns:
                known = ", ".join(map(str, table.columns[:20]))
                raise BadInput(f"{path}: no column {name!r}; it has {known}")
        return tuple(columns)
    found = [
        c for c in table.columns if c not in taken and c.lower() not in TIME and _numeric(table[c])
    ]
    if not found:
        raise BadInput(f"{path}: no column of numbers")
    return tuple(found)


def _numeric(column):
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _numbers(path, column):
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise BadInput(
            f"{path}: column {column.name!r} has {column.iloc[row]!r} at sample {row}: not a number"
        )
    values = numbers.to_numpy("float64")
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise BadInput(
            f"{path}: column {column.name!r} is infinite at sample {row}; leave the cell empty "
            "where there is no measurement"
        )
    return values


def _all_numbers(line):
    try:
        [float(field) for field in line.decode().split(",")]
    except (ValueError, UnicodeDecodeError):
        return False
    return True
