"""Reads fraud_detection with delta-rs as it grows, and prints how old its rows are when they can be read."""
import sys
import time
from datetime import datetime, timezone

import pyarrow.dataset as ds
from deltalake import DeltaTable

path, seconds = sys.argv[1], float(sys.argv[2])
while True:
    try:
        table = DeltaTable(path)
        break
    except Exception:  # The table is not there yet.
        time.sleep(0.05)
seen = table.version()
ages = []
newest, versions = 0, 0
end = time.time() + seconds
while time.time() < end:
    table.update_incremental()
    if table.version() == seen:
        time.sleep(0.005)
        continue
    first, seen = seen, table.version()
    # What is new: rows of batches later than the last one that was looked at.
    columns = ["event_time", "processing_time"]
    recent = ds.field("processing_time") > datetime.fromtimestamp(newest / 1e6, timezone.utc)
    data = table.to_pyarrow_dataset().to_table(columns=columns, filter=recent)
    now_us = time.time() * 1e6
    last = newest
    for event, batch in zip(
        data["event_time"].cast("int64").to_pylist(), data["processing_time"].cast("int64").to_pylist()
    ):
        if batch > last:
            ages.append((now_us - event) / 1e3)
            newest = max(newest, batch)
    versions += 1
ages.sort()


def pick(share):
    return ages[min(len(ages) - 1, int(len(ages) * share))]


print(f"{len(ages)} rows in {versions} versions: p50 {pick(0.5):.0f} ms, p99 {pick(0.99):.0f} ms, max {ages[-1]:.0f} ms")
