"""Looks up what expected.json beside it names, as any DAG does, and fails where Airflow has something else."""

import hashlib
import json
import pathlib
from datetime import datetime

from airflow.configuration import conf

try:
    from airflow.sdk import BaseHook, Variable, dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.hooks.base import BaseHook
    from airflow.models import Variable

expected = json.loads(pathlib.Path(__file__).with_name("expected.json").read_text())


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def check_connections():
    for conn_id, fields in expected["connections"].items():
        c = BaseHook.get_connection(conn_id)
        found = {name: getattr(c, name) for name in ("conn_type", "host", "login", "port", "schema")}
        found |= {"password": digest(c.password), "extra": c.extra_dejson}
        assert found == fields, f"{conn_id} differs in {[name for name in fields if found[name] != fields[name]]}"
        print("the password of", conn_id, "is", c.password)  # which Airflow masks
    for conn_id in expected["absent"]:
        try:
            BaseHook.get_connection(conn_id)
        except Exception as e:
            assert type(e).__name__ == "AirflowNotFoundException", e
        else:
            raise AssertionError(f"{conn_id} is there")


def check_others():
    for key, want in expected["variables"].items():
        assert digest(Variable.get(key)) == want, f"variable {key} differs"
    for option, want in expected.get("options", {}).items():
        assert digest(conf.get(*option.split("."))) == want, f"option {option} differs"


def make(name, queue=None, annotations=None):
    how = {}
    if queue:
        how["queue"] = queue
    if annotations:
        from kubernetes.client import models as k8s

        how["executor_config"] = {"pod_override": k8s.V1Pod(metadata=k8s.V1ObjectMeta(annotations=annotations))}

    @dag(dag_id=name, schedule=expected["schedule"], start_date=datetime(2024, 1, 1), catchup=False, is_paused_upon_creation=False)
    def verify():
        @task(**how)
        def look_up():
            check_connections()
            check_others()
            print("all look-ups are as expected")

        look_up()

    verify()


make("verify")
for name, how in expected.get("more", {}).items():
    make(name, **how)
