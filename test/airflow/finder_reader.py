"""Says of many configurations which secrets backend Airflow makes of each, and with which keyword arguments.

    finder_reader.py JOB ANSWERS

JOB has a JSON object a line: {"env": {name: value}, "file": the text of airflow.cfg or null, "workers": whether tasks run
there}. ANSWERS gets a JSON array a line: what each parser of this Airflow comes to, airflow.configuration before
airflow.sdk.configuration, which Airflow 3.2 on has for tasks:
  class     the backend's class, where there is a backend
  kwargs    its keyword arguments, where a number is an array: ["int", its digits] or ["float", its bits]; an array starts
            with "list", and half of a surrogate pair is written out
  failed    the class of the exception, or null
  teams     core.multi_team, or null where it is neither true nor false
  asked     whether a backend was asked for core.fernet_key, or would have been, could it be made
No backend is really made, so nothing goes to AWS. One that is asked for an option has kwargs for an answer.
"""

import functools
import json
import os
import struct
import sys

import airflow.configuration as core
from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend
from airflow.secrets.environment_variables import EnvironmentVariablesBackend
from airflow.secrets.local_filesystem import LocalFilesystemBackend

try:
    import airflow.sdk.configuration as sdk
except ImportError:
    sdk = None

asked = []  # for what the backends were


def main(job_file, answer_file):
    for backend in (SecretsManagerBackend, EnvironmentVariablesBackend, LocalFilesystemBackend):
        backend.__init__ = keep_kwargs
        backend.get_config = answer_kwargs
    for module in filter(None, (core, sdk)):  # reading these takes a second, and they are the same every time
        module.retrieve_configuration_description = functools.cache(module.retrieve_configuration_description)
    own = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    config_file = os.path.join(os.environ["AIRFLOW_HOME"], "test.cfg")
    with open(job_file, encoding="utf-8") as jobs, open(answer_file, "w", encoding="ascii") as answers:
        for line in jobs:
            job = json.loads(line)
            os.environ.clear()
            os.environ.update(own, AIRFLOW_CONFIG=config_file)
            os.environ.update({name: os.fsdecode(value.encode()) for name, value in job["env"].items()})
            put(config_file, job["file"])
            print(json.dumps(conclusions(config_file, job["workers"])), file=answers)


def keep_kwargs(backend, **kwargs):
    backend.kwargs = kwargs


def answer_kwargs(backend, key):
    asked.append(key)
    return '{"from": "backend"}'


def put(path, text):
    if text is None:
        if os.path.exists(path):
            os.remove(path)
        return
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)


def conclusions(config_file, workers):
    all = [conclusion(core, core.AirflowConfigParser, config_file, workers)]
    if sdk and workers:
        all.append(conclusion(sdk, sdk.AirflowSDKConfigParser, None, workers))  # reads the file itself
    return all


def conclusion(module, parser_class, config_file, workers):
    knows_workers = module.get_custom_secret_backend.__code__.co_argcount == 1  # Airflow 3 on
    try:
        module.conf = new_parser(parser_class)
        if config_file:
            module.conf.read(config_file, encoding="utf-8")
        backend = module.get_custom_secret_backend(*([workers] if knows_workers else []))
        failed = None
    except Exception as e:  # Airflow would not start
        backend, failed = None, type(e).__name__
    answer = {"failed": failed, "teams": teams(module.conf), "asked": asks_for_fernet_key(module.conf)}
    if backend is not None:
        answer.update({"class": f"{type(backend).__module__}.{type(backend).__qualname__}", "kwargs": marked(backend.kwargs)})
    return answer


def new_parser(parser_class):
    parser = parser_class()
    vars(parser)["configuration_description"] = description(parser_class)  # no parser changes it, and each makes its own
    return parser


@functools.cache
def description(parser_class):
    return parser_class().configuration_description


def teams(conf):
    try:
        return conf.getboolean("core", "multi_team", fallback=False)
    except Exception:
        return None


def asks_for_fernet_key(conf):
    asked.clear()
    try:
        conf.get("core", "fernet_key")
    except Exception:  # the backend cannot be made
        return True
    return "fernet" in asked


def marked(value):
    if isinstance(value, dict):
        return {marked(name): marked(member) for name, member in value.items()}
    if isinstance(value, list):
        return ["list", *map(marked, value)]
    if type(value) is int:
        return ["int", str(value)]
    if type(value) is float:
        return ["float", struct.pack(">d", value).hex()]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value


if __name__ == "__main__":
    main(*sys.argv[1:])
