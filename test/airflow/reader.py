"""Looks connections and variables up as Airflow does, in an environment that is a pod's, and writes what it got.

    reader.py JOB RESULT

JOB is a JSON file: {"backend": the class name of the secrets backend that the environment names,
"mount": a path, "without": [packages], "steps": [{"folder": a path, "whole": a boolean, "environ": {name: value},
"chains": [names], "connections": [ids], "variables": [ids], "config": [ids], "options": [names]}]}. For each step, mount
is made a link to the step's folder by one rename, as a volume is refreshed, the variables of environ are set, and then each
id is looked up, by the chains named or by all. Without a mount the folders are not used. Where whole is true, all that
LocalFilesystemBackend makes of the folder's files at a look-up is given as well, by the chain backend. Packages of
"without" cannot be imported, as if they were not installed.

RESULT gets one JSON object a look-up and line: {"step", "kind", "id", "chain", "outcome"}. The chains are
  backend  the secrets backend itself, as Airflow made it from the environment
  server   airflow.models: the chain of every process of Airflow 2, and of the servers of Airflow 3
  task     airflow.sdk: the chain of a task, of Airflow 3 only
  conf     airflow.configuration: one of Airflow's own options, which are named section.key
An outcome is {"absent": the class of the exception, or None} or {"fields": {name: Python's literal, in ASCII}}.
"""

import functools
import hashlib
import importlib
import json
import os
import sys

FIELDS = (
    "conn_id conn_type description host login password schema port extra extra_dejson".split()
)


def main(job_file, result_file):
    with open(job_file, encoding="ascii") as f:
        job = json.load(f)
    for package in job["without"] or []:
        sys.modules[package] = None  # whoever imports it gets an ImportError
    keep_boto3_clients()
    chains = airflow_chains(job["backend"])
    maskers = secrets_maskers()
    with open(result_file, "w", encoding="ascii") as results:
        for number, step in enumerate(job["steps"]):
            if job["mount"]:
                remount(job["mount"], step["folder"])
            os.environ.update(step["environ"] or {})
            for kind, id, chain, outcome in found_in(step, chains):
                found = {"step": number, "kind": kind, "id": id, "chain": chain, "outcome": outcome}
                print(json.dumps(found), file=results)
                forget(maskers)


def found_in(step, chains):
    """Looks up what the step asks for: kind, id, chain and outcome of each."""
    for kind in ("connections", "variables", "config", "options"):
        for id in step[kind] or []:
            for chain, look_up in chains[kind].items():
                if chain in (step["chains"] or chains[kind]):
                    yield kind, id, chain, look_up(id)
    if step["whole"]:
        yield from whole_files()


def whole_files():
    """Gives every entry of the files, as LocalFilesystemBackend makes them all at each look-up."""
    from airflow.configuration import ensure_secrets_loaded
    from airflow.secrets.local_filesystem import load_connections_dict, load_variables

    backend = ensure_secrets_loaded()[0]
    for kind, load, path, describe in (
        ("connections", load_connections_dict, backend.connections_file, connection),
        ("variables", load_variables, backend.variables_file, variable),
    ):
        entries, absent = attempt(lambda: load(path))
        if entries is None:  # one entry that raises takes all others with it
            yield kind, "neighbour", "backend", {"absent": absent}
        for id, made in (entries or {}).items():
            yield kind, id, "backend", describe(lambda: made)


def airflow_chains(backend_class):
    """Gives a function for each kind and chain; they differ between versions only in where they are imported from."""
    from airflow.configuration import conf, ensure_secrets_loaded
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
    config = {"backend": lambda id: variable(lambda: backend.get_config(id))}
    options = {"conf": lambda name: variable(lambda: conf.get(*name.split(".", 1)))}
    chains = {"connections": connections, "variables": variables, "config": config, "options": options}
    try:
        from airflow import sdk
    except ImportError:  # Airflow 2
        return chains
    connections["task"] = lambda id: connection(lambda: sdk.Connection.get(id))
    variables["task"] = lambda id: variable(lambda: sdk.Variable.get(id))
    return chains


def keep_boto3_clients():
    """Lets boto3 make one client for all that ask for the same one. A task of Airflow 3.0 on makes its secrets backend anew
    at every look-up, and each one then asks boto3 for a client, which takes a tenth of a second. All of Airflow's own code
    still runs at every look-up; a client keeps nothing of what it has read. The plugin makes a session and a client at each
    look-up in the shared account."""
    import boto3.session

    make, clients = boto3.session.Session.client, {}

    def client(session, *args, **kwargs):
        wanted = repr((session.region_name, args, sorted(kwargs.items())))  # in this process all credentials are those of the environment
        if wanted not in clients:
            clients[wanted] = make(session, *args, **kwargs)
        return clients[wanted]

    boto3.session.Session.client = client
    try:
        from airflow_aws_shared_secrets import secrets as plugin
    except ImportError:
        return
    plugin.secrets_client = functools.cache(plugin.secrets_client)


def secrets_maskers():
    """Finds what keeps every password and extra that was ever looked up, to mask it in the logs."""
    maskers = []
    for name in ("utils.log", "_shared", "sdk._shared", "sdk.execution_time"):  # Airflow 2; the two of 3.1 on; 3.0
        try:
            module = importlib.import_module(f"airflow.{name}.secrets_masker")
        except ImportError:
            continue
        maskers.append(module._secrets_masker())
    return maskers


def forget(maskers):
    """Makes each look-up the first one for the maskers, as it is in most processes: they compile a regular expression of
    all that they know for each value that is new to them, so that thousands of values would take hours."""
    for masker in maskers:
        masker.patterns, masker.replacer = set(), None


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
