"""CSV files as records: UTF-8 or GB18030, with or without Excel's mark, columns named as the fields are.

A record is read as other systems would send it: `customer.phone` (or plain `phone`) becomes part of `customer`, cells
of number fields become numbers, empty cells are left out. An order's lines are rows of their own, one under the other.
"""

import codecs
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from contacts.records import KINDS, RECORDS, Item

CELL_BYTES = 1024 * 1024
"""A cell this large is no value: most likely a quotation mark was never closed."""
SNIFFED = 1024 * 1024
"""Bytes that are looked at to tell the encoding."""
ITEM_FIELDS = {"sku": "sku", "name": "name", "category": "category", "qty": "qty",
               "item_amount_fen": "amount_fen", "item_margin_fen": "margin_fen"}  # fmt: skip
"""Columns of an order's lines."""
WHOLE = re.compile(r"-?\d{1,18}")
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
    with path.open(encoding=encoding_of(path), newline="") as file:
        yield from (grouped(rows_of(file, path.name, kind)) if kind == "orders" else rows_of(file, path.name, kind))


def rows_of(file: IO[str], name: str, kind: str) -> Iterator[tuple[int, Fields]]:
    """A record for each row. Raises `BadFile`."""
    csv.field_size_limit(CELL_BYTES)
    rows = csv.reader(file, strict=True)
    line = 1
    try:
        header = next(rows, None)
        if not header:
            raise BadFile(f"{name} is empty; its first line must name the columns")
        place = Columns(header, kind, name)
        line = rows.line_num + 1
        for cells in rows:
            if cells:
                yield line, place.record(cells, line)
            line = rows.line_num + 1
    except csv.Error as error:
        why = "a cell is too large; is a quotation mark not closed?" if "limit" in str(error) else str(error)
        raise BadFile(f"{name}, line {line}: {why}") from error
    except UnicodeDecodeError as error:
        raise BadFile(f"{name}, after line {line}: not readable as {error.encoding}; save it as CSV (UTF-8)") from error


class Columns:
    """Where each column's cells go."""

    def __init__(self, header: list[str], kind: str, name: str) -> None:
        """Raises `BadFile` naming a column the kind has not."""
        self.name, self.header = name, [column.strip() for column in header]
        record = RECORDS[kind]
        whole = {
            name for name, one in (record.model_fields | Item.model_fields).items() if "int" in str(one.annotation)
        }
        fields = {one.alias or name for name, one in record.model_fields.items()}
        self.places: list[tuple[int, str, str, bool]] = []
        """Column, group (`customer`, `referrer`, `items` or none), field, and whether it holds whole numbers."""
        for number, column in enumerate(self.header):
            group, field = self.place(column, fields)
            self.places.append((number, group, field, field in whole))
        if doubled := sorted({column for column in self.header if self.header.count(column) > 1}):
            raise BadFile(f"{name}: column {doubled[0]!r} stands twice; leave one out")

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

    def record(self, cells: list[str], line: int) -> Fields:
        """A row's record. Raises `BadFile` when it has more cells than there are columns."""
        if len(cells) > len(self.places):
            raise BadFile(
                f"{self.name}, line {line}: {len(cells)} cells for {len(self.places)} columns; check the commas"
            )
        fields: Fields = {}
        for (_, group, field, whole), cell in zip(self.places, cells, strict=False):
            if not cell or not (cell := cell.strip()):
                continue
            value: Any = cell
            if whole:
                value = int(cell) if WHOLE.fullmatch(cell) else cell
            elif field in JSON_FIELDS:
                value = from_json(cell)
            if group:
                fields.setdefault(group, {})[field] = value
            else:
                fields[field] = value
        if isinstance(fields.get("items"), dict):
            fields["items"] = [fields["items"]]
        return fields


def from_json(cell: str) -> Any:
    """A cell that holds JSON; one that does not stays as it is, and is refused as a field."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


def grouped(rows: Iterator[tuple[int, Fields]]) -> Iterator[tuple[int, Fields]]:
    """Rows of one order, which stand one under the other, as one record with all its lines."""
    first: tuple[int, Fields] | None = None
    for line, fields in rows:
        if first and same_order(first[1], fields):
            first[1]["items"] += fields["items"]
            continue
        if first:
            yield first
        first = (line, fields)
    if first:
        yield first


def same_order(first: Fields, fields: Fields) -> bool:
    """Whether a row only adds a line to an order: the same in all but its items."""
    if first.get("id") != fields.get("id") or not isinstance(first.get("items"), list):
        return False
    if not isinstance(fields.get("items"), list):
        return False
    return all(first.get(name) == value for name, value in fields.items() if name != "items")
