"""Rosters as people really send them: encodings, quotes, slips, and rows that must not hurt their neighbours."""

import tracemalloc
from collections.abc import Iterable, Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.certificate.form import IssueRequest
from verify.errors import Fault, Invalid, Malformed, TooLarge, Words
from verify.issuance.roster import (
    MAX_ARRAY_BYTES,
    MAX_ROW_BYTES,
    Format,
    RosterRow,
    open_reader,
    without_identity,
)
from verify.issuance.rows import RowResult, in_pieces, issue_file
from world import COLUMNS, World, to_csv

ROW = dict(
    zip(
        COLUMNS,
        ("R1", "王小明", "RESIDENT_ID", "990001199001010011", "6-18-01-01", "车工", "", "4", "2026-11-20",
         "82", "91", "", ""),
        strict=True,
    )
)  # fmt: skip


def read(data: bytes | Iterable[bytes], form: Format = Format.CSV, size: int = 7919) -> list[RosterRow]:
    reader = open_reader(form)
    pieces = [data[i : i + size] for i in range(0, len(data), size)] if isinstance(data, bytes) else data
    rows: list[RosterRow] = []
    for piece in pieces:
        rows += reader.feed(piece)
    return rows + reader.finish()


def names(rows: list[RosterRow]) -> list[str | None]:
    return [row.request and row.request.holder.name for row in rows]


def codes(rows: list[RosterRow]) -> list[str]:
    return [row.faults[0].code if row.faults else "" for row in rows]


@pytest.mark.parametrize("size", [1, 3, 64, 1 << 20])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_roster_reads_the_same_in_every_encoding_line_end_and_piece(
    encoding: str, newline: str, size: int
) -> None:
    table = [ROW | {"name": name} for name in ("王小明", "买买提·艾力", "高𬭎", "李㼆", "𠅤伟")]
    data = to_csv(table, newline=newline).decode().encode(encoding)
    rows = read(data, size=size)
    assert names(rows) == [row["name"] for row in table]
    assert [(row.row, row.line, row.row_id) for row in rows] == [(n, n + 1, "R1") for n in range(1, 6)]


def test_lines_that_are_valid_in_both_encodings_do_not_decide() -> None:
    table = [ROW | {"name": "王小明", "occupation_name": "联通"}] * 3
    assert names(read(to_csv(table).decode().encode("gb18030"))) == ["王小明"] * 3


def test_an_encoding_that_shows_only_late_in_the_file_is_found() -> None:
    ascii_rows = [ROW | {"name": "WANG", "occupation_name": "x"}] * 2000
    data = to_csv([*ascii_rows, ROW]).decode().encode("gb18030")
    assert names(read(data))[-1] == "王小明"


def test_the_2022_places_of_gb_18030_are_used() -> None:
    data = to_csv([ROW]).decode().encode("gb18030").replace("王小明".encode("gb18030"), b"\xfe\x59\xfe\x61")
    assert names(read(data)) == ["\u9fb4\u9fb5"]


@pytest.mark.parametrize(
    "data",
    [
        to_csv([ROW]).decode().encode("utf-16"),
        to_csv([ROW]).decode().encode("big5", "replace").replace(b"?", b"\xff"),
        b"\xff\xfe\x00",
        bytes(range(128, 256)) * 10,
    ],
)
def test_what_is_neither_utf_8_nor_gb_18030_is_refused_whole_with_the_reason(data: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        read(data)
    assert "UTF-8" in refused.value.detail.zh and "GB 18030" in refused.value.detail.en


def test_a_damaged_line_is_that_lines_fault() -> None:
    lines = to_csv([ROW] * 5).splitlines(keepends=True)
    lines[3] = lines[3].replace("王".encode(), b"\xe7\x8e")
    rows = read(b"".join(lines))
    assert codes(rows) == ["", "", "encoding", "", ""]
    assert rows[2].line == 4


def test_quoted_cells_hold_commas_quotes_and_line_breaks() -> None:
    table = [ROW | {"remark": 'a "b", c\r\nd'}, ROW | {"remark": "é\nf"}, ROW]
    rows = read(to_csv(table), size=5)
    assert [row.request and row.request.remark for row in rows] == ['a "b", c\r\nd', "é\nf", None]
    assert [row.line for row in rows] == [2, 4, 6]


def test_a_stray_quote_costs_its_own_row_only() -> None:
    lines = to_csv([ROW | {"row_id": f"R{n}"} for n in range(200)]).splitlines(keepends=True)
    lines[50] = lines[50].replace(b"R49", b'"R49')
    rows = read(b"".join(lines))
    assert len(rows) == 200
    assert [row.row for row in rows] == list(range(1, 201))
    assert [(row.line, row.faults[0].code) for row in rows if row.faults] == [(51, "open-quote")]
    assert rows[-1].line == 201


def test_a_quote_in_the_middle_of_a_cell_is_just_a_quote() -> None:
    data = to_csv([ROW]).replace("王小明".encode(), '王"小"明'.encode())
    assert names(read(data)) == ['王"小"明']


@pytest.mark.parametrize("quoted", [False, True])
def test_a_row_of_10_mb_is_refused_and_its_neighbours_are_read_in_little_memory(quoted: bool) -> None:
    mark = b'"' if quoted else b""

    def pieces() -> Iterator[bytes]:
        yield to_csv([ROW])
        yield b"R2," + mark
        for _ in range(160):
            yield b"x" * (64 << 10)
        yield mark + b"\n" + to_csv([ROW]).split(b"\n", 1)[1]

    tracemalloc.start()
    rows = read(pieces())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert codes(rows) == ["", "row-too-large", ""]
    assert peak < 2 << 20


def test_a_hundred_thousand_rows_pass_in_constant_memory() -> None:
    good = to_csv([ROW]).split(b"\n", 1)[1]
    bad = b"R9,x\n"

    def pieces() -> Iterator[bytes]:
        yield to_csv([])
        for _ in range(100):
            yield good * 50 + bad * 950

    reader = open_reader(Format.CSV)
    tracemalloc.start()
    read_rows = issued = 0
    for piece in pieces():
        rows = reader.feed(piece)
        read_rows += len(rows)
        issued += sum(row.request is not None for row in rows)
    read_rows += len(reader.finish())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (read_rows, issued) == (100_000, 5_000)
    assert peak < 8 << 20


def test_empty_lines_are_no_rows_and_empty_last_columns_are_no_columns() -> None:
    header, rows = to_csv([ROW]).split(b"\n", 1)
    assert len(read(header + b",,\n" + rows)) == 1
    assert len(read(to_csv([ROW]) + b"\n\r\n" + b"," * 12 + b"\n")) == 1


@pytest.mark.parametrize(
    ("header", "code", "says"),
    [
        ("row_id,nmae,id_type", "unknown-column", "name"),
        (",".join((*COLUMNS, "phone")), "unknown-column", "phone"),
        (",".join((*COLUMNS, "name")), "column-twice", "name"),
        (",".join(column for column in COLUMNS if column != "level"), "column-missing", "level"),
    ],
)
def test_a_header_that_does_not_fit_refuses_the_file_and_names_the_column(
    header: str, code: str, says: str
) -> None:
    with pytest.raises(Invalid) as refused:
        read(header.encode() + b"\nR1,x\n")
    fault = next(fault for fault in refused.value.faults if fault.code == code)
    assert says in fault.detail.en and says in fault.detail.zh


def test_optional_columns_and_other_orders_are_read() -> None:
    columns = ["batch", *reversed(COLUMNS), "blank_serial", "allow_duplicate", "kind"]
    row = ROW | {"batch": "B1", "blank_serial": "A1", "allow_duplicate": "是", "kind": "skill_level"}
    (only,) = read(to_csv([row], columns))
    assert only.request is not None
    assert (only.request.batch, only.request.blank_serial, only.request.allow_duplicate) == ("B1", "A1", True)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)


def test_rows_with_too_few_or_too_many_cells_are_told_the_count() -> None:
    data = to_csv([ROW]) + b"R2,x,y\n" + b"R3" + b",x" * 20 + b"\n"
    assert codes(read(data)) == ["", "cell-count", "cell-count"]


def test_faults_never_hold_an_id_number_even_when_columns_slipped() -> None:
    slipped = "99000119900101003X"
    (row,) = read(to_csv([ROW | {"theory": slipped}]))
    assert slipped in str(row.faults)
    faults = [without_identity(fault, ROW["id_number"]) for fault in row.faults]
    assert faults and all(slipped not in str(fault) for fault in faults)
    passport = Fault("/x", "x", Words("“E12345678”", "“E12345678”"))
    assert "E12345678" not in str(without_identity(passport, "E12345678"))


def test_an_id_number_given_as_row_name_is_starred() -> None:
    (row,) = read(to_csv([ROW | {"row_id": ROW["id_number"]}]))
    assert row.row_id == "*" * 18


# --- JSON -----------------------------------------------------------------------------------------------

REQUEST = msgspec.json.encode(
    {
        "holder": {"name": "王小明", "id_type": "RESIDENT_ID", "id_number": "990001199001010011"},
        "occupation": {"code": "6-18-01-01", "name": "车工"},
        "level": "4",
        "issued_on": "2026-11-20",
        "results": {"theory": 82, "practical": 91},
    }
)


@pytest.mark.parametrize("size", [1, 50, 1 << 20])
def test_ndjson_tells_each_bad_line_where_and_stops_at_none(size: int) -> None:
    bad = (
        REQUEST.replace(b'"level":"4"', b'"level":4'),
        REQUEST.replace(b'"name":"\xe7\x8e\x8b', b'"nmae":"\xe7\x8e\x8b'),
        b'{"holder":',
        b"[1]",
        b"x" * (MAX_ROW_BYTES + 1),
        b"\xff\xfe",
        b"[" * 5000,
    )
    rows = read(b"\n".join((REQUEST, *bad, REQUEST)), Format.NDJSON, size if size > 1 else 997)
    assert [row.request is not None for row in rows] == [True, *[False] * len(bad), True]
    assert rows[1].faults[0].pointer == "/level"
    assert rows[2].faults[0].pointer == "/holder"
    assert codes(rows)[5] == "row-too-large"
    assert codes(rows)[6] == "encoding"


def test_a_json_array_reads_row_by_row() -> None:
    rows = read(b"[" + REQUEST + b', {"level": 3}, ' + REQUEST + b"]", Format.JSON)
    assert [row.request is not None for row in rows] == [True, False, True]


@pytest.mark.parametrize("data", [b"", b"{}", b"[1,", b"[" * 100_000])
def test_what_is_no_json_array_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data, Format.JSON, 1 << 20)


def test_a_json_array_is_bounded() -> None:
    with pytest.raises(TooLarge):
        read([b" " * (1 << 20)] * ((MAX_ARRAY_BYTES >> 20) + 1), Format.JSON)


@given(st.lists(st.text(alphabet='a,"\n\r王', max_size=12), min_size=1, max_size=12), st.integers(1, 9))
def test_whatever_the_cells_hold_they_come_back_or_are_a_fault(remarks: list[str], size: int) -> None:
    rows = read(to_csv([ROW | {"remark": remark} for remark in remarks], newline="\r\n"), size=size)
    assert len(rows) == len(remarks)
    got = [row.request.remark for row in rows if isinstance(row.request, IssueRequest)]
    assert got == [remark.strip() or None for remark in remarks]


@given(st.binary(max_size=400), st.integers(1, 50))
def test_no_bytes_break_a_reader(data: bytes, size: int) -> None:
    for form in Format:
        for head in (b"", to_csv([])):
            try:
                rows = read(head + data, form, size)
            except (Malformed, Invalid):
                continue
            assert [row.row for row in rows] == list(range(1, len(rows) + 1))


# --- issuing a file -------------------------------------------------------------------------------------


async def run(world: World, data: bytes, form: Format = Format.CSV) -> list[RowResult]:
    return [r async for r in issue_file(world.issuance, world.skill, in_pieces(data), form, "cli")]


async def test_a_corrected_file_issues_what_is_new_and_tells_the_numbers_of_the_rest(world: World) -> None:
    table = world.roster(20)
    broken = [
        row | ({"id_number": row["id_number"][:-1] + "Y"} if n == 7 else {}) for n, row in enumerate(table)
    ]
    first = await run(world, to_csv(broken))
    assert [r.row for r in first if r.number is None] == [8]
    (fault,) = first[7].faults
    assert (fault.pointer, fault.code) == ("/holder/id_number", "id-number")
    assert (first[7].line, first[7].row_id, first[7].code) == (9, table[7]["row_id"], "invalid")
    second = await run(world, to_csv(reversed(table)))
    assert [r.already for r in second] == [n != 12 for n in range(20)]
    assert {r.number for r in second} == {r.number for r in first} - {None} | {second[12].number}
    assert second[12].number == "S000044000456264000020"


async def test_a_row_twice_in_a_file_is_issued_once_and_refused_once(world: World) -> None:
    table = world.roster(2)
    for _ in range(2):
        results = await run(world, to_csv([table[0], table[0], table[1]]))
        assert [r.code for r in results] == ["", "duplicate", ""]
        assert results[0].number is not None and results[0].number in results[1].faults[0].detail.en


async def test_two_equal_rows_that_are_meant_give_two_certificates_however_often_sent(world: World) -> None:
    table = world.roster(1) * 2
    data = to_csv([row | {"allow_duplicate": "1"} for row in table], (*COLUMNS, "allow_duplicate"))
    first, second = await run(world, data), await run(world, data)
    assert len({r.number for r in first}) == 2
    assert [r.number for r in first] == [r.number for r in second]
