"""Each thing that a user can get wrong: one clear line and exit code 2."""

import numpy as np
import pytest
from typer.testing import CliRunner

from lamina_cli._app import app
from tests.detect.support import pulses, write_record


def csv(folder, values, name="value"):
    path = folder / "series.csv"
    path.write_text(name + "\n" + "\n".join("" if np.isnan(v) else f"{v}" for v in values) + "\n")
    return path


def missing(folder):
    return [folder / "nothing.csv"], "o such file"


def missing_record(folder):
    return [folder / "nothing"], "o such file"


def a_folder(folder):
    return [folder], "is a folder"


def unknown_kind(folder):
    (folder / "x.bin").write_bytes(b"123")
    return [folder / "x.bin"], "not a kind of recording"


def broken_header(folder):
    (folder / "bad.hea").write_text("what is this\n\x00\x01")
    return [folder / "bad"], "not a WFDB header"


def outside(folder):
    inner = folder / "inner"
    inner.mkdir()
    record = write_record(inner, np.ones((10, 1), int), file="../rec.dat")
    (folder / "rec.dat").write_bytes(bytes(100))
    return [record], "outside its folder"


def no_data(folder):
    record = write_record(folder, np.ones((10, 1), int))
    record.with_suffix(".dat").unlink()
    return [record], "no such file, but rec.hea names it"


def too_short_data(folder):
    return [write_record(folder, np.ones((10, 1), int), length=1000)], "its header promises"


def wrong_checksum(folder):
    return [write_record(folder, np.ones((10, 1), int), checksum=7)], "checksum of lead lead0"


def unknown_format(folder):
    return [write_record(folder, np.ones((10, 1), int), shown_fmt="999")], "unknown storage format"


def no_column(folder):
    return [csv(folder, pulses()), "--column", "pressure"], "no column 'pressure'; it has value"


def no_numbers(folder):
    path = folder / "words.csv"
    path.write_text("name\nab\ncd\n")
    return [path], "no column of numbers"


def words_among_numbers(folder):
    path = folder / "mixed.csv"
    path.write_text("value\n1\n2\noops\n")
    return [path, "--column", "value"], "'oops' at sample 2: not a number"


def empty(folder):
    (folder / "empty.csv").write_bytes(b"")
    return [folder / "empty.csv"], "not a CSV file"


def broken_parquet(folder):
    (folder / "x.parquet").write_bytes(b"PAR1 no more")
    return [folder / "x.parquet"], "not a Parquet file"


def broken_npy(folder):
    (folder / "x.npy").write_bytes(b"\x93NUMPY broken")
    return [folder / "x.npy"], "not a NumPy array"


def npy_of_objects(folder):
    np.save(folder / "x.npy", np.array([{}, None], dtype=object), allow_pickle=True)
    return [folder / "x.npy"], "not a NumPy array"


def mixed_rates(folder):
    record = write_record(folder, np.ones((12, 2), int))
    header = record.with_suffix(".hea")
    lines = header.read_text().splitlines()
    lines[1] = lines[1].replace(" 212 ", " 212x2 ")
    header.write_text("\n".join(lines))
    return [record], "different sampling rates"


def infinite(folder):
    return [csv(folder, [1.0, 2.0, float("inf"), *pulses()])], "'value' is infinite at sample 2"


def infinite_npy(folder):
    np.save(folder / "x.npy", np.r_[pulses(), -np.inf])
    return [folder / "x.npy"], "infinite at sample 6000"


def constant(folder):
    return [csv(folder, np.full(500, 3.0))], "value is constant: 3 everywhere"


def all_nan(folder):
    path = folder / "nan.csv"
    path.write_text("t,value\n" + "".join(f"{i},\n" for i in range(500)))
    return [path], "value has no valid sample"


def short(folder):
    return [csv(folder, [1.0, 2.0, 3.0])], "shorter than two windows"


def shorter_than_asked(folder):
    return [csv(folder, pulses(300)), "--window", "200"], "shorter than two windows of 200 samples"


def no_place(folder):
    (folder / "file").write_text("")
    return [csv(folder, pulses()), "--out", folder / "file" / "out"], "cannot be written"


CASES = [
    missing,
    missing_record,
    a_folder,
    unknown_kind,
    broken_header,
    outside,
    no_data,
    too_short_data,
    wrong_checksum,
    unknown_format,
    no_column,
    no_numbers,
    words_among_numbers,
    empty,
    broken_parquet,
    broken_npy,
    npy_of_objects,
    mixed_rates,
    infinite,
    infinite_npy,
    constant,
    all_nan,
    short,
    shorter_than_asked,
    no_place,
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_one_clear_line_and_exit_code_2(case, tmp_path):
    arguments, reason = case(tmp_path)
    if "--out" not in arguments:
        arguments = [*arguments, "--out", tmp_path / "out"]
    result = CliRunner().invoke(app, ["detect", *map(str, arguments)])
    assert result.exit_code == 2, result.output
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    written = tmp_path / "out"
    assert not written.exists() or not list(written.iterdir())
