"""Times how Airflow looks connections up, in processes that have not looked anything up before.

    reader.py JOB RESULT

JOB is a JSON file:
    "backend"    the class name of the first backend that Airflow must ask
    "mount"      a path, or "" where there are no files
    "processes"  how many fresh processes to measure each case in
    "seconds"    a case that has taken so long is not measured in a further one
    "cases"      [{"folder": what mount is to be a link to, "environ": {variables}, "ids": [there], "missing": [not there]}]

This process imports what a task's process has imported before the code of a DAG runs, and looks nothing up. For each
measurement it forks, as Airflow forks a process for a task, and the child looks up the ids in turn, then the missing
ones. The ids go through the chain of a task. The missing ones go to the first backend alone: what the chain would ask
after it is the same for every backend.

RESULT gets JSON objects, one a line: first {"imports": nanoseconds}, then for each look-up {"case", "process", "id",
"nanoseconds", "connection": its fields, or null}. Nanoseconds are those of the processor, so that other work of the
machine does not count, nor does waiting for AWS.
"""

import json
import os
import sys
import time
import traceback

FIELDS = "conn_type login password host port schema".split()


def main(job_file, result_file):
    with open(job_file, encoding="ascii") as f:
        job = json.load(f)
    started = time.process_time_ns()
    look_up, backends = import_airflow()
    write(result_file, {"imports": time.process_time_ns() - started})
    for number, case in enumerate(job["cases"]):
        began = time.monotonic()
        for process in range(job["processes"]):
            if time.monotonic() - began < job["seconds"]:
                in_child(lambda: measure(job, number, process, look_up, backends, result_file))


def import_airflow():
    """Gives the look-up that a task makes, and the backends of its chain, when asked."""
    try:
        from airflow.sdk.execution_time import task_runner  # noqa: F401
    except ImportError:
        return import_airflow_2()
    from airflow.dag_processing.dagbag import BundleDagBag  # noqa: F401
    from airflow.sdk import Connection
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    return Connection.get, ensure_secrets_backend_loaded


def import_airflow_2():
    from airflow.cli.commands import task_command  # noqa: F401
    from airflow.configuration import ensure_secrets_loaded
    from airflow.models.connection import Connection
    from sqlalchemy.orm import configure_mappers

    configure_mappers()  # a task of Airflow 2 has read its own row of the database by now; one of Airflow 3 never does
    return Connection.get_connection_from_secrets, ensure_secrets_loaded


def in_child(do):
    pid = os.fork()
    if pid == 0:
        try:
            do()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        sys.exit("reader.py: a measurement failed")


def measure(job, number, process, look_up, backends, result_file):
    case = job["cases"][number]
    os.environ.update(case["environ"])
    if job["mount"]:
        remount(job["mount"], case["folder"])
    found = [(id, *timed(look_up, id)) for id in case["ids"]]
    backend = backends()[0]
    if type(backend).__name__ != job["backend"]:
        sys.exit(f"reader.py: Airflow asks {type(backend).__name__} first, expected {job['backend']}")
    found += [(id, *timed(backend.get_connection, id)) for id in case["missing"]]
    for id, nanoseconds, connection in found:
        write(result_file, {
            "case": number, "process": process, "id": id, "nanoseconds": nanoseconds,
            "connection": connection and fields(connection),
        })


def timed(look_up, id):
    started = time.process_time_ns()
    connection = look_up(id)
    return time.process_time_ns() - started, connection


def fields(connection):
    return {name: getattr(connection, name) for name in FIELDS} | {"extra": connection.extra_dejson}


def remount(mount, folder):
    os.symlink(folder, mount + ".new")
    os.replace(mount + ".new", mount)


def write(path, result):
    with open(path, "a", encoding="ascii") as f:
        print(json.dumps(result), file=f)


if __name__ == "__main__":
    main(*sys.argv[1:])
