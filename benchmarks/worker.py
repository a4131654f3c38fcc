"""One side of a comparison in a process of its own: obeys single-line commands from `benchmarks.timing`.

Arguments: TARGET ("module:function"), OPTIONS (JSON object), PROBLEM (npz file), THREADS. Answers are JSON lines on the
standard output: after the start; after `turn` (one timed call, seconds); after `save FILE` (the last call's result as
npz, and the sizes of the thread pools that the process has by then). Ends when its input ends.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time

import numpy as np
from threadpoolctl import threadpool_info


def main(target: str, options: str, problem_file: str, threads: str) -> None:
    """Prepare the side, then obey until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not get between the answers

    def answer(**content: object) -> None:
        answers.write(json.dumps(content) + "\n")

    module, function = target.split(":")
    with np.load(problem_file) as stored:
        problem = dict(stored)
    run = getattr(importlib.import_module(module), function)(problem, int(threads), **json.loads(options))
    answer(ready=True)
    result: dict = {}
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "turn":
            result.clear()  # the memory of the last result is free for this one
            start = time.perf_counter()
            result = run()
            answer(seconds=time.perf_counter() - start)
        elif command == "save":
            np.savez(argument, **result)
            answer(pools={pool["internal_api"]: pool["num_threads"] for pool in threadpool_info()})


if __name__ == "__main__":
    main(*sys.argv[1:])
