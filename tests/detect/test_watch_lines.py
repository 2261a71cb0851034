"""A line of text to a sample."""

import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina_detect import BadInput
from lamina_detect.live._line_reader import LONGEST, LineReader
from lamina_detect.live._lines import BadLine, LineParser
from lamina_detect.live._span import span_of

TWO = ("a", "b")


def read(lines, leads=TWO, **options):
    """What the lines become: values and stamps, `"header"`, or the reason why not."""
    parser, found = LineParser(leads, **options), []
    for line in lines:
        try:
            sample = parser.parse(line)
        except BadLine as error:
            found.append(str(error))
        else:
            found.append("header" if sample is None else (sample.values, sample.stamp))
    return found


@pytest.mark.parametrize(
    "line",
    ["1.5,-2", "[1.5, -2]", "1.5;-2", "1,5;-2", "1.5\t-2", "1.5 -2", '"1.5","-2"', "1.5,-2\r\n"],
)
def test_what_stands_between_numbers(line):
    assert read([line]) == [([1.5, -2.0], None)]


@pytest.mark.parametrize("field", ["", " ", "nan", "NaN", "null", "NA", "n/a", "-", "?"])
def test_what_means_no_measurement(field):
    [(values, _)] = read([f"1,{field}"])
    assert values[0] == 1 and math.isnan(values[1])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2,3", "3 numbers for 2 leads"),
        ("1", "1 numbers for 2 leads"),
        ("1,two", "not numbers"),
        ("1,inf", "infinite"),
        ("1,-1e39", "infinite"),
        ("1e999,nan", "infinite"),
        ("1_000,2", "not numbers"),
        ("0x10,2", "not numbers"),
        ("1,2\x00", "not numbers"),
        ("\ufffd\ufffd,2", "not numbers"),
        ("1,2 3", "not numbers"),
    ],
)
def test_a_bad_line_says_why_and_the_next_one_is_read(line, reason):
    found = read(["5,6", line, "1,2"])
    assert reason in found[1] and found[2] == ([1.0, 2.0], None)
    # Also as the first one.
    found = read([line, "1,2"])
    assert reason in found[0] and found[1] == ([1.0, 2.0], None)


def test_an_empty_line_is_a_gap_of_all_leads():
    (values, _) = read([""])[0]
    assert all(math.isnan(v) for v in values)


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("a,b", "1,2"),
        ("b,a", "2,1"),
        ('time,"b",quality,a', "2026-01-01 00:00:00,2,good,1"),
        ("A [mV];B (mV)", "1,0;2"),
        ("\ufeffa,b", "1,2"),
        ("a b", "1 2"),
    ],
)
def test_a_header_names_the_columns(header, line):
    first, (values, _) = read([header, line])
    assert first == "header" and values == [1.0, 2.0]


def test_a_header_that_comes_again_is_no_sample():
    assert read(["a,b", "1,2", "a,b", "3,4"])[2:] == ["header", ([3.0, 4.0], None)]


def test_a_header_with_other_names_is_taken_in_order_and_said():
    parser = LineParser(TWO)
    assert parser.parse("left,right") is None
    assert parser.parse("1,2").values == [1.0, 2.0]
    assert "left, right are taken in this order" in parser.notes[0]


def test_a_header_that_lacks_a_lead_is_refused_unless_it_does_not_count():
    with pytest.raises(BadInput, match="no column b"):
        read(["a,c,d"])
    _, (values, _) = read(["c,a", "5,1"], optional=("b",))
    assert values[0] == 1 and math.isnan(values[1])


def test_words_before_the_first_sample_are_no_header():
    found = read(["connected to the sensor", "1,2"])
    assert found[0].startswith("not numbers") or "numbers for" in found[0]
    assert found[1] == ([1.0, 2.0], None)


@pytest.mark.parametrize(
    ("lines", "time", "stamp"),
    [
        (["timestamp,a,b", "2026-01-01 00:00:00,1,2"], None, "2026-01-01 00:00:00"),
        (["a,b,t", "1,2,17"], None, "17"),
        (["a,b,clock", "1,2,17"], "clock", "17"),
        (["a,b,time", "1,2,17"], "none", None),
        (["2026-01-01T00:00:00Z,1,2"], None, "2026-01-01T00:00:00Z"),
        (["1767225600,1,2"], "1", "1767225600"),
        (["1,1767225600,2"], "2", "1767225600"),
    ],
)
def test_the_time_comes_out_as_it_came_in(lines, time, stamp):
    assert read(lines, time=time)[-1] == ([1.0, 2.0], stamp)


def test_one_number_too_many_is_not_taken_for_a_time():
    assert "3 numbers for 2 leads" in read(["1767225600,1,2"])[0]


@pytest.mark.parametrize(
    ("lines", "time"), [(["1,2,3"], "clock"), (["a,b"], "clock"), (["1"], "9")]
)
def test_a_time_that_is_not_there_is_refused(lines, time):
    with pytest.raises(BadInput, match="time"):
        read(lines, time=time)


def test_a_table_without_header_is_read_where_it_was():
    """As `read` names the columns that it found."""
    assert read(["7,1,0,2"], leads=("column1", "column3")) == [([1.0, 2.0], None)]
    assert read(["1,2"], leads=("column1", "column3")) == [([1.0, 2.0], None)]


@given(st.text(max_size=40))
def test_no_text_does_any_harm(text):
    parser = LineParser(TWO)
    for line in (text, "1,2", text):
        try:
            sample = parser.parse(line)
        except (BadLine, BadInput):
            continue
        assert sample is None or all(math.isnan(v) or abs(v) < 3.4e38 for v in sample.values)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2))
def test_every_number_comes_through(values):
    expected = [v if abs(v) < 3.4e38 else None for v in values]
    found = read([",".join(map(repr, values))])[0]
    assert None in expected or found == (values, None)


@pytest.mark.parametrize(
    ("text", "samples"), [("10s", 2500), ("0.5 min", 7500), ("2h", 1_800_000), ("40", 40)]
)
def test_how_long(text, samples):
    assert span_of(text, "calm", 250.0) == samples


@pytest.mark.parametrize("text", ["", "ten", "10 parsecs", "-5s", "1.5", "10s\n5"])
def test_how_long_is_not_understood(text):
    with pytest.raises(BadInput, match="calm: write 30s"):
        span_of(text, "calm", 250.0)


def test_how_long_needs_the_rate():
    assert span_of("40", "calm", None) == 40
    with pytest.raises(BadInput, match="needs the rate"):
        span_of("10s", "calm", None)


def test_a_line_that_never_ends_does_not_fill_the_memory():
    """Read in pieces, as a pipe gives them: what is too long is cut, and what follows is read."""
    text = io.TextIOWrapper(io.BytesIO(b"1,2\n" + b"7" * (20 * LONGEST) + b"\n3,4\n"))
    reader, got = LineReader(text), []
    while (lines := reader.take()) is not None:
        got += lines
    assert (got[0], got[2]) == ("1,2", "3,4") and len(got[1]) <= 2 * LONGEST
