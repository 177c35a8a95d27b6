"""CSV files as records: UTF-8 or GB18030, with or without Excel's mark, columns named as the fields are.

A record is read as other systems would send it: `customer.phone` (or plain `phone`) becomes part of `customer`, cells
of number fields become numbers, empty cells are left out. An order's lines are rows of their own, one under the other.
"""

import codecs
import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, get_type_hints

from contacts.records import KINDS, RECORDS, Item

CELL_CHARACTERS = 1024 * 1024
"""A cell this large is no value: most likely a quotation mark was never closed."""
SNIFFED = 1024 * 1024
"""Bytes that are looked at to tell the encoding."""
ITEM_FIELDS = {"sku": "sku", "name": "name", "category": "category", "qty": "qty",
               "item_amount_fen": "amount_fen", "item_margin_fen": "margin_fen"}  # fmt: skip
"""Columns of an order's lines."""
WHOLE = re.compile(r"-?\d{1,18}").fullmatch
JSON_FIELDS = {"items", "properties"}
Fields = dict[str, Any]


class BadFile(Exception):
    """A file that cannot be read as CSV, or whose columns are not the kind's; the text says where and what to do."""


def encoding_of(path: Path) -> str:
    """How a file is written. Raises `BadFile`."""
    with path.open("rb") as file:
        head = file.read(SNIFFED)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\x00" in head:
        raise BadFile(f"{path.name} is not a text file; save it as CSV (UTF-8)")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            codecs.getincrementaldecoder(encoding)().decode(head)
        except UnicodeDecodeError:
            continue
        return encoding
    raise BadFile(f"{path.name} is neither UTF-8 nor GB18030; save it as CSV (UTF-8)")


def read_rows(path: Path, kind: str) -> Iterator[tuple[int, Fields]]:
    """The records of a file, each with the line it begins on. Raises `BadFile`."""
    csv.field_size_limit(CELL_CHARACTERS)
    with path.open(encoding=encoding_of(path), newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            header = next(rows, None)
            if not header:
                raise BadFile(f"{path.name} is empty; its first line must name the columns")
            columns = Columns(header, kind, path.name)
            yield from records_of(numbered(rows, columns), columns)
        except csv.Error as error:
            why = "a cell is too large; is a quotation mark not closed?" if "limit" in str(error) else str(error)
            raise BadFile(f"{path.name}, line {rows.line_num}: {why}") from error
        except UnicodeDecodeError as error:
            where = f"{path.name}, after line {rows.line_num}"
            raise BadFile(f"{where}: not readable as {error.encoding}; save it as CSV (UTF-8)") from error


def numbered(rows: Any, columns: "Columns") -> Iterator[tuple[int, list[str]]]:
    """The rows that hold something, each with the line it begins on."""
    line = rows.line_num + 1
    for row in rows:
        if row:
            yield line, columns.cells(row, line)
        line = rows.line_num + 1


@dataclass(frozen=True)
class Part:
    """The columns of one group: `customer`, `referrer`, `items`, or none for a record's own fields."""

    places: list[tuple[str, int]]
    """Each field and its column."""
    whole: list[str]
    """Those that hold whole numbers."""
    json: list[str]

    def read(self, cells: list[str]) -> Fields:
        """The fields of a row that are filled."""
        read: Fields = {field: cell for field, place in self.places if (cell := cells[place])}
        for field in self.whole:
            if field in read and WHOLE(read[field]):
                read[field] = int(read[field])
        for field in self.json:
            if field in read:
                read[field] = from_json(read[field])
        return read


class Columns:
    """Where each column's cells go."""

    def __init__(self, header: list[str], kind: str, name: str) -> None:
        """Raises `BadFile` naming a column the kind has not."""
        self.name, self.width = name, len(header)
        record = RECORDS[kind]
        types = {field: one.annotation for field, one in record.model_fields.items()} | get_type_hints(Item)
        whole = {field for field, one in types.items() if one in (int, int | None)}
        fields = {one.alias or name for name, one in record.model_fields.items()}
        groups: dict[str, dict[str, int]] = {"": {}}
        for place, column in enumerate(one.strip() for one in header):
            group, field = self.place(column, fields)
            if field in groups.setdefault(group, {}):
                raise BadFile(f"{name}: column {column!r} stands twice; leave one out")
            groups[group][field] = place
        self.parts = {
            group: Part(
                list(some.items()), [one for one in some if one in whole], [one for one in some if one in JSON_FIELDS]
            )
            for group, some in groups.items()
        }
        own = [place for group, some in groups.items() if group != "items" for place in some.values()]
        self.own = itemgetter(*own or [0])
        """What a row holds besides an order's line."""

    def place(self, column: str, fields: set[str]) -> tuple[str, str]:
        """Group and field of a column. Raises `BadFile`."""
        group, _, field = column.rpartition(".")
        if group in {"customer", "referrer"} & fields and field in KINDS:
            return group, field
        if column in KINDS and "customer" in fields:
            return "customer", column
        if column in fields:
            return "", column
        if column in ITEM_FIELDS and "items" in fields:
            return "items", ITEM_FIELDS[column]
        known = sorted(fields - {"customer", "referrer"})
        people = [f"{one}.{kind}" for one in ("customer", "referrer") if one in fields for kind in KINDS]
        lines = list(ITEM_FIELDS) if "items" in fields else []
        raise BadFile(f"{self.name}: unknown column {column!r}; columns are {', '.join([*known, *people, *lines])}")

    def cells(self, row: list[str], line: int) -> list[str]:
        """A row's cells, as many as there are columns. Raises `BadFile` when it has more."""
        if len(row) > self.width:
            count = f"{len(row)} cells for {self.width} columns"
            raise BadFile(f"{self.name}, line {line}: {count}; check the commas and quotation marks")
        return [*map(str.strip, row), *[""] * (self.width - len(row))]

    def record(self, cells: list[str]) -> Fields:
        """A row's record; the columns of an order's line become its first item."""
        fields = self.parts[""].read(cells)
        for group, part in self.parts.items():
            if group and (read := part.read(cells)):
                fields[group] = [read] if group == "items" else read
        return fields


def records_of(rows: Iterator[tuple[int, list[str]]], columns: Columns) -> Iterator[tuple[int, Fields]]:
    """A record for each row; rows that differ from the one above in an order's line only add to its lines."""
    lines = columns.parts.get("items")
    first: tuple[int, Fields] | None = None
    before: Any = None
    for line, cells in rows:
        own = columns.own(cells)
        if lines and first and own == before and "items" in first[1]:
            first[1]["items"].append(lines.read(cells))
            continue
        if first:
            yield first
        first, before = (line, columns.record(cells)), own
    if first:
        yield first


def from_json(cell: str) -> Any:
    """A cell that holds JSON; one that does not stays as it is, and is refused as a field."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell
