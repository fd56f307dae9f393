"""Drives real MLflow for the end-to-end tests: JSON requests on stdin, one a line, answers on stdout.

    {"id": 1, "op": "dump", "args": {"uri": "sqlite:////x/mlflow.db"}}  ->  {"id": 1, "ok": {}} or {"id": 1, "error": ""}

`peer.py server ARGS` runs `mlflow server ARGS` instead, for as long as stdin stays open.
"""

import contextlib
import json
import math
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from queue import SimpleQueue

OPS = {}
LOCKS = []
EXPERIMENT = "experiment_id name lifecycle_stage artifact_location".split()
RUN = "run_id experiment_id run_name status start_time end_time lifecycle_stage artifact_uri user_id".split()


def op(function):
    OPS[function.__name__] = function
    return function


def client(uri):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


@contextlib.contextmanager
def beside(uri):
    """MLflow makes its mlruns folder in the working directory: keep that next to the database."""
    if uri.startswith("sqlite:///"):
        os.chdir(os.path.dirname(os.path.abspath(uri.removeprefix("sqlite:///"))))
    try:
        yield
    finally:
        os.chdir(tempfile.gettempdir())


def pages(fetch):
    page = fetch(None)
    yield from page
    while page.token:
        page = fetch(page.token)
        yield from page


def plain(value):
    """JSON has no NaN and no infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return value


@op
def version():
    import mlflow

    return mlflow.__version__


@op
def dump(uri, experiment=None, history=True):
    from mlflow.entities import ViewType

    mlflow = client(uri)
    if experiment is None:
        experiments = list(pages(lambda token: mlflow.search_experiments(view_type=ViewType.ALL, page_token=token)))
    else:
        names = [experiment] if isinstance(experiment, str) else experiment
        experiments = [found for found in map(mlflow.get_experiment_by_name, names) if found is not None]
    ids = [found.experiment_id for found in experiments]
    runs = pages(lambda token: mlflow.search_runs(ids, run_view_type=ViewType.ALL, max_results=1000, page_token=token))
    return {
        "experiments": [
            {name: getattr(found, name) for name in EXPERIMENT} | {"tags": dict(found.tags)}
            for found in sorted(experiments, key=lambda found: int(found.experiment_id))
        ],
        "runs": [describe(mlflow, run, history) for run in sorted(runs, key=order)] if ids else [],
    }


def order(run):
    return (run.info.start_time or 0, run.info.run_id)


def describe(mlflow, run, history):
    run_id, data = run.info.run_id, run.data
    described = {name: getattr(run.info, name) for name in RUN} | {"params": dict(data.params), "tags": dict(data.tags)}
    described["metrics"] = {key: plain(value) for key, value in data.metrics.items()}
    described["inputs"] = [
        {
            **{field: getattr(each.dataset, field) for field in ("name", "digest", "source")},
            "tags": {tag.key: tag.value for tag in each.tags},
        }
        for each in run.inputs.dataset_inputs
    ]
    if history:
        described["history"] = {
            key: [[plain(point.value), point.timestamp, point.step] for point in mlflow.get_metric_history(run_id, key)]
            for key in data.metrics
        }
    return described


@op
def create(uri, experiment):
    import mlflow

    mlflow.set_tracking_uri(uri)
    experiment_id = mlflow.set_experiment(experiment).experiment_id
    with mlflow.start_run(run_name="parent") as run:
        mlflow.log_param("alpha", 0.5)
        mlflow.log_metric("loss", 0.25, step=1)
        mlflow.log_metric("accuracy", 0.75, step=1)
        with mlflow.start_run(run_name="child", nested=True) as child:
            mlflow.log_metric("loss", 0.125, step=1)
    return {"experiment_id": experiment_id, "run_id": run.info.run_id, "child_id": child.info.run_id}


@op
def append(uri, run_id, key="appended", value=1.5, step=0):
    mlflow = client(uri)
    mlflow.log_metric(run_id, key, float(value), step=step)
    mlflow.set_tag(run_id, "appended.by", version())
    mlflow.set_terminated(run_id, "FINISHED")


@op
def search(uri, experiment, filter=""):
    mlflow = client(uri)
    found = mlflow.get_experiment_by_name(experiment)
    if found is None:
        raise LookupError(f"no experiment named {experiment!r}")
    runs = pages(lambda token: mlflow.search_runs([found.experiment_id], filter, max_results=1000, page_token=token))
    return [run.info.run_id for run in sorted(runs, key=order)]


@op
def inputs(uri, run_id):
    with beside(uri):
        used = client(uri).get_run(run_id).inputs.dataset_inputs
    fields = "name digest source_type source schema profile".split()
    return [
        {**{field: getattr(each.dataset, field) for field in fields}, "tags": {tag.key: tag.value for tag in each.tags}} for each in used
    ]


@op
def tables(uri, run_id, names):
    """Tables as `mlflow.load_table` gives them, each as its columns and rows, and a YAML file as PyYAML reads it."""
    import mlflow
    import yaml

    mlflow.set_tracking_uri(uri)
    with beside(uri):
        experiment = client(uri).get_run(run_id).info.experiment_id
        mlflow.set_experiment(experiment_id=experiment)
        frames = {name: mlflow.load_table(name, run_ids=[run_id]) for name in names}
        with tempfile.TemporaryDirectory() as folder:
            with open(client(uri).download_artifacts(run_id, "config.yaml", folder)) as file:
                value = yaml.safe_load(file)
    rows = {name: [list(frame.columns), json.loads(frame.to_json(orient="values"))] for name, frame in frames.items()}
    return {"tables": rows, "yaml": value}


@op
def artifacts(uri, run_id):
    """Each file of a run, by path: its size and SHA-256 as it is downloaded, and the size the listing says."""
    import hashlib

    import mlflow

    mlflow.set_tracking_uri(uri)  # 2.22 asks it, not its client, where a server's files are
    found = {}
    with beside(uri), tempfile.TemporaryDirectory() as folder:
        api = client(uri)

        def visit(path):
            for each in api.list_artifacts(run_id, path):
                if each.is_dir:
                    visit(each.path)
                    continue
                with open(api.download_artifacts(run_id, each.path, folder), "rb") as file:
                    content = file.read()
                found[each.path] = [len(content), hashlib.sha256(content).hexdigest(), each.file_size]

        visit(None)
    return found


for method in ("delete_experiment", "restore_experiment", "delete_run", "restore_run"):
    OPS[method] = lambda uri, id, method=method: getattr(client(uri), method)(id)


@op
def canonical(uri, experiment, runs):
    import mlflow

    def script():
        mlflow.set_experiment(experiment)
        with mlflow.start_run():
            mlflow.log_param("alpha", 0.5)
            mlflow.log_metric("loss", 0.25)
            mlflow.log_metric("accuracy", 0.75)

    mlflow.set_tracking_uri(uri)
    script()
    started = time.perf_counter()
    for _ in range(runs):
        script()
    return {"seconds": time.perf_counter() - started, "runs": runs}


@op
def migrate(folder, path):
    command = [sys.executable, "-m", "mlflow", "migrate-filestore", "--source", folder, "--target", f"sqlite:///{path}"]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_ALLOW_FILE_STORE"}
    done = subprocess.run(command, cwd=os.path.dirname(path), env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout + done.stderr


@op
def integrity(path):
    # A mode without "create": a wrong path must fail, not leave an empty database behind.
    address = pathlib.Path(path).absolute().as_uri() + "?mode=rw"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=20)) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        revisions = db.execute("SELECT version_num FROM alembic_version") if "alembic_version" in tables else []
        return {
            "integrity": "\n".join(line for (line,) in db.execute("PRAGMA integrity_check")),
            "foreign_keys": [list(row) for row in db.execute("PRAGMA foreign_key_check")],
            "revision": next((revision for (revision,) in revisions), None),
            "journal_mode": db.execute("PRAGMA journal_mode").fetchone()[0],
        }


@op
def sqlite(path, sql):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as db:
        statements = [(entry, ()) if isinstance(entry, str) else entry for entry in sql]
        return [[[plain(cell) for cell in row] for row in db.execute(*statement)] for statement in statements]


@op
def lock(path, seconds=None):
    db = sqlite3.connect(path, isolation_level=None, timeout=20, check_same_thread=False)
    db.execute("BEGIN EXCLUSIVE")
    LOCKS.append(db)
    if seconds is not None:
        timer = threading.Timer(seconds, db.close)
        timer.daemon = True
        timer.start()


@op
def unlock():
    while LOCKS:
        LOCKS.pop().close()


def answer(request):
    try:
        arguments = request.get("args", {})
        with beside(arguments.get("uri", "")):
            return {"id": request["id"], "ok": OPS[request["op"]](**arguments)}
    except Exception:
        return {"id": request["id"], "error": traceback.format_exc()}


def main():
    # Whatever MLflow or a program it starts prints or reads must not touch the conversation.
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    queue = SimpleQueue()

    def read():
        for line in requests:
            queue.put(json.loads(line))
        queue.put(None)
        # A request that still runs then is one of a test that is gone.
        time.sleep(5)
        os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    for request in iter(queue.get, None):
        print(json.dumps(answer(request), allow_nan=False), file=answers, flush=True)


def server(arguments):
    def end_with_stdin():
        while os.read(0, 1024):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=end_with_stdin, daemon=True).start()
    return subprocess.call([sys.executable, "-m", "mlflow", "server", *arguments], stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(server(sys.argv[2:]) if sys.argv[1:2] == ["server"] else main())
