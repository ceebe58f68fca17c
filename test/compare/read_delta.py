"""Prints Delta tables as NDJSON, as delta-rs reads them: python read_delta.py <lakehouse> <table>...

One line {"table", "columns": [name, ...]} for every table, columns null where there is none, then one line for every
row: an array of cells. An integer is {"int": text}, a double {"double": text}; a decimal keeps its scale,
a date is YYYY-MM-DD, an instant is {"int": microseconds since the epoch}, bytes are base64.
"""

import base64
import datetime
import decimal
import json
import os
import sys

import pyarrow as pa
from deltalake import DeltaTable


def cell(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return {"int": str(value)}
    if isinstance(value, float):
        return {"double": repr(value)}
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [cell(item) for item in value]
    if isinstance(value, dict):
        return {"struct": {name: cell(item) for name, item in value.items()}}
    raise TypeError(f"no cell for {type(value)}")


def instants_as_integers(table):
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            micros = table.column(index).cast(pa.timestamp("us", field.type.tz)).cast(pa.int64())
            table = table.set_column(index, field.name, micros)
    return table


def print_table(lakehouse, name):
    path = f"{lakehouse}/{name}"
    if not DeltaTable.is_deltatable(path):
        print(json.dumps({"table": name, "columns": None}))
        return
    table = DeltaTable(path)
    names = [field.name for field in table.schema().fields]
    print(json.dumps({"table": name, "columns": names}))
    for batch in instants_as_integers(table.to_pyarrow_table(columns=names)).to_batches():
        for row in batch.to_pylist():
            print(json.dumps([cell(row[column]) for column in names]))


if __name__ == "__main__":
    for name in sys.argv[2:]:
        print_table(sys.argv[1], name)
    # Threads of the libraries may abort the process while the interpreter ends; all has been said by now.
    sys.stdout.flush()
    os._exit(0)
