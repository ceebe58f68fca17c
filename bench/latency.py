"""Reads fraud_detection with delta-rs as it grows, and prints how old its rows are when they can be read."""
import json
import sys
import time

import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

path, warm_up, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
while True:
    try:
        table = DeltaTable(path)
        if table.file_uris():
            break
    except Exception:  # The table is not there yet.
        pass
    time.sleep(0.05)
begin = time.time() + warm_up
end = begin + seconds
seen, version = set(table.file_uris()), table.version()
ages, newest, versions, begun = [], 0, 0, False
while time.time() < end:
    if not begun and time.time() >= begin:
        begun = True
        print("begins", flush=True)
    table.update_incremental()
    if table.version() == version:
        time.sleep(0.005)
        continue
    version = table.version()
    files = set(table.file_uris())
    rows = [pq.read_table(uri, columns=["event_time", "processing_time"]) for uri in files - seen]
    now = time.time()
    seen = files
    last = newest
    for data in rows:
        # A compaction brings rows again that were seen before.
        batches = pc.cast(data["processing_time"], "int64")
        data = data.filter(pc.greater(batches, last))
        if data.num_rows == 0:
            continue
        newest = max(newest, pc.max(batches).as_py())
        if begun:
            events = pc.cast(data["event_time"], "int64").to_pylist()
            ages.extend(now * 1e3 - event / 1e3 for event in events)
    versions += begun
ages.sort()


def pick(share):
    return round(ages[min(len(ages) - 1, int(len(ages) * share))])


print(json.dumps({"rows": len(ages), "versions": versions, "p50Ms": pick(0.5), "p99Ms": pick(0.99), "maxMs": pick(1)}))
