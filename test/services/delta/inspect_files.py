"""What is wrong with the files of a Delta table and with what its log says of them, one sentence each.

Run in a Python with pyarrow; `problems(path)` reads the log as plain JSON and every file with pyarrow alone.
"""

import datetime
import decimal
import json
import os
import urllib.parse

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TEXT_MAX = 32  # Characters of a bound; an upper one has one more that makes it greater.


def problems(path):
    fields, found = {}, []
    log = os.path.join(path, "_delta_log")
    for name in sorted(n for n in os.listdir(log) if n.endswith(".json")):
        for line in open(os.path.join(log, name), encoding="utf-8"):
            action = json.loads(line)
            if "metaData" in action:
                schema = json.loads(action["metaData"]["schemaString"])
                fields = {f["name"]: f["type"] for f in schema["fields"]}
            if "protocol" in action and action["protocol"] != {"minReaderVersion": 1, "minWriterVersion": 2}:
                found.append(f"{name}: protocol {action['protocol']}")
            if "add" in action:
                add = action["add"]
                file = os.path.join(path, urllib.parse.unquote(add["path"]))
                found += [f"{add['path']}: {one}" for one in file_problems(file, add, fields)]
    return found


def file_problems(file, add, fields):
    parquet = pq.ParquetFile(file)
    yield from layout_problems(parquet)
    stats = json.loads(add["stats"])
    table = parquet.read()
    if stats["numRecords"] != table.num_rows:
        yield f"numRecords {stats['numRecords']} of {table.num_rows}"
    if os.path.getsize(file) != add["size"]:
        yield f"size {add['size']} of {os.path.getsize(file)}"
    for name, kind in fields.items():
        if name in add["partitionValues"]:
            if name in table.column_names:
                yield f"the partition column {name} is in the file"
        elif isinstance(kind, str):
            yield from column_problems(name, kind, table[name], stats)


def layout_problems(parquet):
    for number in range(parquet.metadata.num_row_groups):
        group = parquet.metadata.row_group(number)
        for at in range(group.num_columns):
            if group.column(at).compression != "ZSTD":
                yield f"{group.column(at).path_in_schema} is compressed with {group.column(at).compression}"
    for at in range(len(parquet.schema)):
        column = parquet.schema.column(at)
        if not pa.types.is_timestamp(parquet.schema_arrow.field(column.path.split(".")[0]).type):
            continue
        logical = json.loads(column.logical_type.to_json())
        micros_utc = logical.get("isAdjustedToUTC") is True and logical.get("timeUnit") == "microseconds"
        if column.physical_type != "INT64" or not micros_utc:
            yield f"{column.path} is {column.physical_type} {logical}"


def column_problems(name, kind, values, stats):
    nulls = stats["nullCount"].get(name)
    if nulls != values.null_count:
        yield f"{name}: nullCount {nulls} of {values.null_count}"
    low, high = stats["minValues"].get(name), stats["maxValues"].get(name)
    if kind in ("boolean", "binary") or values.null_count == len(values):
        return
    if low is None or high is None:
        yield f"{name}: no bounds"
        return
    least, greatest = (pc.min(values).as_py(), pc.max(values).as_py())
    if kind == "string":
        least, greatest, low, high = (text.encode() for text in (least, greatest, low, high))
        if len(low.decode()) > TEXT_MAX or len(high.decode()) > TEXT_MAX + 1:
            yield f"{name}: a bound of more than {TEXT_MAX} characters"
    if kind == "timestamp":
        low, high = (datetime.datetime.fromisoformat(text) for text in (low, high))
    if kind == "date":
        low, high = (datetime.date.fromisoformat(text) for text in (low, high))
    if kind.startswith("decimal"):
        low, high = (decimal.Decimal(repr(number)) for number in (low, high))
    if not low <= least or not greatest <= high:
        yield f"{name}: {low!r} to {high!r} does not hold {least!r} to {greatest!r}"
