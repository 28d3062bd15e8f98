"""Reads one option of each of many files with Airflow's own parser, as airflow.configuration does at its start.

usage: conf_reader.py JOB ANSWERS, where JOB is a file with [[path, section, option], ...] and ANSWERS becomes one with
{"value"} or {"failed"} for each.
"""

import json
import sys

from airflow.configuration import AirflowConfigParser


def read(path, section, option):
    parser = AirflowConfigParser()
    try:
        # Airflow gives no encoding, so that it is the locale's. That is UTF-8 in Airflow's image, and may not be here.
        parser.read(path, encoding="utf-8")
        return {"value": parser.get(section, option, fallback=None)}
    except Exception as e:
        return {"failed": type(e).__name__}


with open(sys.argv[1]) as job:
    answers = [read(*one) for one in json.load(job)]
with open(sys.argv[2], "w") as file:
    json.dump(answers, file)
