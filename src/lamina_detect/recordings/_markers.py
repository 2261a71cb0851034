"""Words that stand where there is no measurement."""

# What loggers, historians and spreadsheets write for "no measurement"; compared in small letters.
MARKERS = frozenset(
    "- -- --- ---- n/a #n/a na nan -nan nan(ind) -nan(ind) 1.#qnan -1.#ind 1.#ind null <null> "
    "(null) "
    "nil none \\n ? ?? * ** *** . .. ... x missing bad bad_data error err fault fail failed "
    "invalid "
    "offline timeout unavailable unknown undefined nodata no_data #value! #div/0! #ref! #num! "
    "#null! "
    "#name? <na> nat void".split()
) | {
    "",
    "no data",
    "bad data",
    "bad input",
    "bad quality",
    "not available",
    "no value",
    "comm fail",
    "i/o timeout",
    "scan off",
    "pt created",
    "intf shut",
    "out of service",
    "over range",
    "under range",
    "not connected",
    "no result",
    "calc failed",
    "arc off-line",
}
