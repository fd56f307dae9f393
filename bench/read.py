"""The peer of `read`: `read.py FILE search|ui|history` prints the median seconds of each read by MLflow's own store, as JSON."""

import json
import logging
import statistics
import sys
import time

from mlflow.entities import ViewType
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

path, what = sys.argv[1], sys.argv[2]
logging.disable(logging.WARNING)
store = SqlAlchemyStore(f"sqlite:///{path}", "./artifacts")


def timed(read, times):
    took = []
    for _ in range(times):
        start = time.perf_counter()
        result = read()
        took.append(time.perf_counter() - start)
    return statistics.median(took), result


def search(filter_string, order_by, times=3):
    seconds, page = timed(lambda: store.search_runs(["1"], filter_string, ViewType.ACTIVE_ONLY, 1000, order_by), times)
    return {"seconds": seconds, "first": [run.info.run_id for run in page[:20]]}


if what == "search":
    filters = "metrics.acc > 0.5 AND params.opt = 'adam' AND tags.stage = 'prod'"
    answer = {
        "filters": search(filters, ["metrics.loss ASC"]),
        "metric": search("", ["metrics.acc DESC"]),
        "time": search("", []),
    }
elif what == "ui":
    answer = {"metric": search("", ["metrics.acc DESC"], 1)}
else:
    seconds, points = timed(lambda: store.get_metric_history("f" * 32, "curve"), 1)
    answer = {"history": {"seconds": seconds, "points": len(points)}}
print(json.dumps(answer))
