"""Looks connections and variables up as Airflow does, in an environment that is a pod's, and writes what it got.

    reader.py JOB RESULT

JOB is a JSON file: {"backend": the class name of the secrets backend that the environment names,
"mount": a path, "steps": [{"folder": a path, "connections": [ids], "variables": [ids]}]}.
For each step, mount is made a link to the step's folder by one rename, as a volume is refreshed, and then each id is
looked up. Without a mount the folders are not used.

RESULT gets one JSON object a look-up and line: {"step", "kind", "id", "chain", "outcome"}. The chains are
  backend  the secrets backend itself, as Airflow made it from the environment
  server   airflow.models: the chain of every process of Airflow 2, and of the servers of Airflow 3
  task     airflow.sdk: the chain of a task, of Airflow 3 only
An outcome is {"absent": the class of the exception, or None} or {"fields": {name: Python's literal, in ASCII}}.
"""

import hashlib
import json
import os
import sys

FIELDS = (
    "conn_id conn_type description host login password schema port extra extra_dejson".split()
)


def main(job_file, result_file):
    with open(job_file, encoding="ascii") as f:
        job = json.load(f)
    chains = airflow_chains(job["backend"])
    with open(result_file, "w", encoding="ascii") as results:
        for number, step in enumerate(job["steps"]):
            if job["mount"]:
                remount(job["mount"], step["folder"])
            for kind in ("connections", "variables"):
                for id in step[kind]:
                    for chain, look_up in chains[kind].items():
                        found = {"step": number, "kind": kind, "id": id, "chain": chain, "outcome": look_up(id)}
                        print(json.dumps(found), file=results)


def airflow_chains(backend_class):
    """Gives a function for each kind and chain; they differ between versions only in where they are imported from."""
    from airflow.configuration import ensure_secrets_loaded
    from airflow.models.connection import Connection
    from airflow.models.variable import Variable

    backend = ensure_secrets_loaded()[0]
    if type(backend).__name__ != backend_class:
        sys.exit(f"reader.py: Airflow uses {type(backend).__name__}, expected {backend_class}")
    connections = {
        "backend": lambda id: connection(lambda: backend.get_connection(id)),
        "server": lambda id: connection(lambda: Connection.get_connection_from_secrets(id)),
    }
    variables = {
        "backend": lambda id: variable(lambda: backend.get_variable(id)),
        "server": lambda id: variable(lambda: Variable.get_variable_from_secrets(id)),
    }
    try:
        from airflow import sdk
    except ImportError:  # Airflow 2
        return {"connections": connections, "variables": variables}
    connections["task"] = lambda id: connection(lambda: sdk.Connection.get(id))
    variables["task"] = lambda id: variable(lambda: sdk.Variable.get(id))
    return {"connections": connections, "variables": variables}


def connection(look_up):
    found, absent = attempt(look_up)
    if found is None:
        return {"absent": absent}
    fields = {name: literal(lambda: getattr(found, name)) for name in FIELDS}
    fields["get_uri()"] = literal(found.get_uri)
    return {"fields": fields}


def variable(look_up):
    found, absent = attempt(look_up)
    if found is None:
        return {"absent": absent}
    return {"fields": {"value": literal(lambda: found)}}


def attempt(look_up):
    try:
        return look_up(), None
    except Exception as e:  # whatever a backend raises is an outcome
        return None, type(e).__name__


def literal(get):
    """Writes a value so that the type shows and half a surrogate pair survives; a long one by its digest."""
    try:
        text = ascii(get())
    except Exception as e:
        return f"raises {type(e).__name__}"
    if len(text) <= 1000:
        return text
    return f"{text[:100]}... of {len(text)} characters, SHA-256 {hashlib.sha256(text.encode()).hexdigest()}"


def remount(mount, folder):
    os.symlink(folder, mount + ".new")
    os.replace(mount + ".new", mount)


if __name__ == "__main__":
    main(*sys.argv[1:])
