"""Says what Airflow's options are, in many environments.

    sensitive_reader.py JOB ANSWERS

JOB has a JSON object a line: {"env": {name: value}, "options": ["section.key", ...]}. ANSWERS gets a JSON array a line, with
an object for each parser of this Airflow: airflow.configuration's, and that of airflow.sdk.configuration, which Airflow 3.2
on has for tasks. The first line has the options of conf.sensitive_config_values, {"section.key": null}, and each line after
it what one of JOB asks for: {"section.key": the value's UTF-8 in hexadecimal digits, or the class of an exception behind a !}.
"""

import functools
import json
import os
import sys

import airflow.configuration as core
from airflow.providers_manager import ProvidersManager

try:
    import airflow.sdk.configuration as sdk
except ImportError:
    sdk = None


def main(job_file, answer_file):
    ProvidersManager().initialize_providers_configuration()  # as every command of Airflow's does
    parsers = [module.conf for module in (core, sdk) if module]
    for owner, name in [(core, "get_custom_secret_backend"), *((parser, "_get_custom_secret_backend") for parser in parsers)]:
        if hasattr(owner, name):
            setattr(owner, name, functools.cache(getattr(owner, name)))  # a client for AWS takes long to make
    own = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    with open(job_file, encoding="utf-8") as jobs, open(answer_file, "w", encoding="ascii") as answers:
        print(json.dumps([{".".join(option): None for option in parser.sensitive_config_values} for parser in parsers]), file=answers)
        for line in jobs:
            job = json.loads(line)
            os.environ.clear()
            os.environ.update(own)
            os.environ.update(job["env"])
            print(json.dumps([{option: get(parser, option) for option in job["options"]} for parser in parsers]), file=answers)


def get(parser, option):
    try:
        return parser.get(*option.split(".", 1)).encode().hex()
    except Exception as e:
        return "!" + type(e).__name__


if __name__ == "__main__":
    main(*sys.argv[1:])
