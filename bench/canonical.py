"""The canonical run of the benchmarks by Python's fluent client: `canonical.py URI RUNS` prints the seconds they took."""

import logging
import sys
import time

import mlflow

uri, runs = sys.argv[1], int(sys.argv[2])
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
start = time.perf_counter()
for i in range(runs):
    canonical(i)
print(time.perf_counter() - start)
