"""Bytes as UTF-8 text with plain line ends."""

import codecs
import pathlib
import re
from typing import Any

from lamina_detect._common import BadInput

BOMS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Looked at to find the encoding of what is not UTF-8.
SAMPLE = 1 << 20
# A share of zero bytes this high in either half of the pairs of bytes is UTF-16 without a mark.
ZEROS = 0.4
# All but what text files hold: tab, line ends, form feed, and the end mark of DOS.
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x19\x1b-\x1f]")


def as_utf8(path: pathlib.Path, data: Any) -> tuple[Any, str]:
    """`data` as UTF-8, untouched where it is already, and the name of its encoding."""
    if not len(data):
        raise BadInput(f"{path}: not a CSV file: it is empty")
    start = bytes(data[:4])
    for bom, encoding in BOMS.items():
        if start.startswith(bom):
            if encoding == "utf-8":
                return _checked(path, memoryview(data)[3:]), encoding
            return _converted(path, bytes(data), encoding), encoding
    sample = bytes(data[:SAMPLE])
    if encoding := _unmarked_utf16(sample):
        return _converted(path, bytes(data), encoding), encoding
    _refuse_binary(path, sample)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return as_8bit(path, bytes(data))
    return data, "utf-8"


def as_8bit(path: pathlib.Path, data: bytes) -> tuple[bytes, str]:
    """`data` in one of the encodings of one byte a character, as UTF-8."""
    encoding = _best_guess(data)
    return _converted(path, data, encoding), encoding


def _best_guess(data: bytes) -> str:
    import charset_normalizer

    # What is ASCII says nothing: the lines with other characters, as long as they last.
    lines = [line for line in data[: 8 * SAMPLE].splitlines() if not line.isascii()]
    best = charset_normalizer.from_bytes(b"\n".join(lines)[:SAMPLE]).best()
    # A degree sign alone can be anything: what Windows writes is by far the commonest.
    western = len({c for line in lines for c in line if c > 127}) <= 4
    return "cp1252" if best is None or western else best.encoding


def _unmarked_utf16(sample: bytes) -> str | None:
    even, odd = sample[::2], sample[1::2]
    if len(odd) and odd.count(0) > ZEROS * len(odd) and not even.count(0):
        return "utf-16-le"
    if len(even) and even.count(0) > ZEROS * len(even) and not odd.count(0):
        return "utf-16-be"
    return None


def _converted(path: pathlib.Path, data: bytes, encoding: str) -> bytes:
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        if encoding == "cp1252":  # five bytes have no meaning there; Latin-1 has one for each
            text = data.decode("latin-1")
        else:
            raise BadInput(f"{path}: not {encoding} throughout: {error}; save as UTF-8") from None
    converted = text.removeprefix("\ufeff").encode("utf-8", "surrogatepass")
    return _checked(path, converted)


def _checked(path: pathlib.Path, data: Any) -> Any:
    _refuse_binary(path, bytes(data[:SAMPLE]))
    return data


def _refuse_binary(path: pathlib.Path, sample: bytes) -> None:
    found = CONTROL.search(sample)
    controls = found and found.start()
    if controls is not None:
        line = sample.count(b"\n", 0, controls) + 1
        raise BadInput(
            f"{path}: not a CSV file: line {line} holds the byte {sample[controls]:#04x}, "
            "which no text has; is it another kind of file?"
        )
