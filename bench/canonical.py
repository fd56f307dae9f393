"""The canonical run of the benchmarks by Python's fluent client: `canonical.py URI COUNT runs|metrics` prints the seconds they took."""

import logging
import sys
import time

import mlflow

uri, count, what = sys.argv[1], int(sys.argv[2]), sys.argv[3]
logging.disable(logging.INFO)
mlflow.set_tracking_uri(uri)
mlflow.set_experiment("Bench")


def canonical(i):
    with mlflow.start_run(run_name="canonical"):
        mlflow.log_param("lr", 0.1)
        mlflow.log_metric("loss", i / 3)
        mlflow.log_metric("accuracy", i / 7)


for i in range(5):
    canonical(i)
if what == "runs":
    start = time.perf_counter()
    for i in range(count):
        canonical(i)
else:
    with mlflow.start_run(run_name="long"):
        start = time.perf_counter()
        for i in range(count):
            mlflow.log_metric(["loss", "accuracy", "precision", "recall", "lr"][i % 5], i / 3, step=i // 5)
print(time.perf_counter() - start)
