"""Answers for patterns and ids what Python's re says, one line of JSON for each line of JSON.

A question is {"pattern": ..., "ids": [...]}; several stand in one list. An answer is one of
- {"error": ..., "position": ...}: Python refuses the pattern;
- {"slow": true}: it goes back on its choices for longer than a test can wait;
- {"matches": [...], "constructs": [...], "repeats": n}: whether each id matches, what the pattern is really made of by
  the tree of Python's own parser, and how often its most repeated part is repeated.
"""

import json
import re
import signal
import sys
import warnings

try:
    from re import _parser as parser
except ImportError:
    import sre_parse as parser

CPU_SECONDS = 0.2


class TooSlow(Exception):
    pass


def too_slow(*_):
    raise TooSlow


def answer(question):
    pattern = question["pattern"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        re.purge()
        try:
            compiled = re.compile(pattern, re.IGNORECASE)
        except re.error as e:
            return {"error": str(e), "position": e.pos}
        except (ValueError, OverflowError, RecursionError) as e:
            return {"error": str(e)}
        tree = parser.parse(pattern, re.IGNORECASE)
    found = Found()
    found.look(tree, 1)
    if compiled.flags & re.VERBOSE:
        found.constructs.add("VERBOSE")
    if any("not at the start" in str(warning.message) for warning in caught):
        found.constructs.add("LATE_FLAGS")
    try:
        matches = match(pattern, question["ids"])
    except TooSlow:
        return {"slow": True}
    return {
        "matches": matches,
        "constructs": sorted(found.constructs),
        "repeats": found.repeats,
    }


def match(pattern, ids):
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        return [re.match(pattern, id, re.IGNORECASE) is not None for id in ids]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


class Found:
    def __init__(self):
        self.constructs = set()
        self.repeats = 1

    def look(self, part, times):
        """Looks through a tree of (operation, argument) in lists and tuples."""
        if isinstance(part, (list, tuple, parser.SubPattern)):
            if len(part) == 2 and hasattr(part[0], "name"):
                times = self.note(part[0].name, part[1], times)
            for inner in part:
                self.look(inner, times)

    def note(self, operation, argument, times):
        if operation in ("ASSERT", "ASSERT_NOT"):
            operation += "_AHEAD" if argument[0] > 0 else "_BEHIND"
        self.constructs.add(operation)
        if operation in ("LITERAL", "NOT_LITERAL") and argument > 127 or operation == "RANGE" and argument[1] > 127:
            self.constructs.add("NOT_ASCII")
        if operation == "SUBPATTERN" and (argument[1] | argument[2]) & re.VERBOSE:
            self.constructs.add("VERBOSE")
        if operation.endswith("REPEAT"):
            least, most = int(argument[0]), int(argument[1])
            times *= max(least, most if argument[1] is not parser.MAXREPEAT else 1, 1)
            self.repeats = max(self.repeats, times)
        return times


signal.signal(signal.SIGVTALRM, too_slow)
for line in sys.stdin:
    print(json.dumps([answer(question) for question in json.loads(line)]), flush=True)
