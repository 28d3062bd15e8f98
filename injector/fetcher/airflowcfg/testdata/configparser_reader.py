"""Reads options of files with Python's own configparser, set up as Airflow sets it up.

Each line of the input is {"text": base64, "options": [[section, option], ...]}, and each line of the output what becomes
of it: {"failed": line} or {"answers": [{"kind", "value"}, ...]}.
"""

import base64
import configparser
import io
import json
import os
import posixpath
import sys


class AirflowsParser(configparser.ConfigParser):
    def optionxform(self, option):
        return option


class EveryVariable(dict):
    """An environment that has every variable that there can be."""

    def __missing__(self, name):
        if not name:
            raise KeyError(name)
        return "<" + name + ">"


def answer(parser, section, option):
    if not parser.has_option(section, option):
        return {"kind": "absent"}
    try:
        value = parser.get(section, option)
    except configparser.InterpolationError:
        return {"kind": "broken"}
    if value.startswith("~"):
        return {"kind": "home"}
    if posixpath.expandvars(value) != value:
        return {"kind": "variable"}
    return {"kind": "value", "value": value}


def read(job):
    parser = AirflowsParser()
    file = io.TextIOWrapper(io.BytesIO(base64.b64decode(job["text"])), encoding="utf-8")
    try:
        parser.read_file(file)
    except configparser.ParsingError as e:
        # MissingSectionHeaderError is one of these, with a line of its own.
        return {"failed": e.lineno if hasattr(e, "lineno") else e.errors[0][0]}
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as e:
        # It comes at once, so faults of lines before it are not told.
        return {"failed": e.lineno, "or_before": True}
    except UnicodeDecodeError:
        return {"failed": 0}
    return {"answers": [answer(parser, *names) for names in job["options"]]}


os.environ = EveryVariable()
for line in sys.stdin:
    print(json.dumps(read(json.loads(line))), flush=True)
