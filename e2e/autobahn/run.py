"""Runs the Autobahn cases against an echo server and says which of them fail.

usage: run.py HOST:PORT [CASE...]      (CASE may have a star: 9.*)
"""

import asyncio
import collections
import sys

from kosoku import FailureError, run_fuzzingclient

PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
# Compression, which the gateway does not offer: the server has to say so, and nothing more.
NOT_OFFERED = ("12.", "13.")
# How many cases there are: fewer mean that the fuzzing client has changed, not that all is well.
CASES_MIN = 500
CASES_AT_ONCE = 2
# The longest verdict that is printed of a case that fails.
REASON_CHARS_MAX = 300


def verdict(result):
    """Why the case fails, or None."""
    behavior, close = result.behavior.value, result.behavior_close.value
    if behavior == "UNIMPLEMENTED" and result.case_id.startswith(NOT_OFFERED):
        return None
    if behavior not in PASSED:
        return f"{behavior}: {result.result}"
    if close not in PASSED:
        return f"close {close}: {result.result_close}"
    return None


async def main():
    """The exit code: 0 where every case passes."""
    address, cases = sys.argv[1], sys.argv[2:] or None
    try:
        results = await run_fuzzingclient(address, cases, concurrency=CASES_AT_ONCE)
    except FailureError as failure:
        # It has the verdict of every case.
        results = failure.results
    counts = collections.Counter(result.behavior.value for result in results)
    print(f"{len(results)} cases:", ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    if cases is None and len(results) < CASES_MIN:
        print(f"expected at least {CASES_MIN} cases")
        return 1
    failed = [(result, why) for result in results if (why := verdict(result))]
    for result, why in failed:
        print(f"case {result.case_id}: {why[:REASON_CHARS_MAX]}")
    return 1 if failed else 0


sys.exit(asyncio.run(main()))
