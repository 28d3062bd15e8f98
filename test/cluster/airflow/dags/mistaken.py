"""Tasks whose authors have made a mistake in the annotations of their pods."""

from datetime import datetime

from airflow.sdk import dag, task
from kubernetes.client import models as k8s


def make(name, annotations):
    pod = k8s.V1Pod(metadata=k8s.V1ObjectMeta(annotations=annotations))

    @dag(dag_id=name, schedule=None, start_date=datetime(2024, 1, 1), catchup=False, is_paused_upon_creation=False)
    def mistaken():
        @task(executor_config={"pod_override": pod})
        def look_up():
            print("this must not run")

        look_up()

    mistaken()


make("misspelled", {"airflow-secrets/conections-prefix": "team/connections"})
make("missing", {"airflow-secrets/connections": "nowhere"})
