"""All benchmarks in one file: each is written as soon as it is done, and not measured again by the same command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import results, summary
from benchmarks.runs import RUNS, Document, Options, console, note
from theory_sim.errors import InputError, require
from theory_sim.provenance import commit

PEERS = tuple(dict.fromkeys(peer for _, known in RUNS.values() for peer in known))


def measure_all(options: Options, out: Path) -> Document:
    """Measure what `out` does not hold yet, write it there, and draw into the folder of its name beside it.

    Rows have the name of their benchmark in addition; `parts` holds what else each benchmark left. Raises InputError on
    unknown peers, and if `out` holds something else or another run.
    """
    unknown = [name for name in options.peers if name not in PEERS]
    require(not unknown, f"peer {', '.join(unknown)}: allowed are {', '.join(PEERS)}")
    protocol = {name: getattr(options, name) for name in ("device", "repeats", "quick")} | {
        "peers": list(options.peers)
    }
    document = _begin(out, protocol)
    pictures = out.with_suffix("")
    pictures.mkdir(exist_ok=True)
    for name, (run, known) in RUNS.items():
        if name in document["parts"]:
            note(f"{name}: is in {out}")
            continue
        peers = tuple(peer for peer in options.peers if peer in known)
        if not peers:
            note(f"{name}: none of its peers ({', '.join(known)}) was asked for")
            continue
        part = run(replace(options, peers=peers, plots=pictures))
        document["rows"] += [{"benchmark": name, **row} for row in part.pop("rows")]
        document["skipped"] |= part["skipped"]
        document["parts"][name] = part
        results.write_json(out, document)
    require(bool(document["rows"]), f"--peers {', '.join(options.peers)}: no benchmark has one of these")
    results.print_table([results.row_of(row) for row in document["rows"]], console())
    note(f"drew {summary.draw(document, pictures)}")
    return document


def _begin(out: Path, protocol: Mapping[str, Any]) -> Document:
    if not out.exists() or not out.stat().st_size:
        return {**results.document("all", [], {}, protocol), "parts": {}}
    document = read_document(out)
    require("parts" in document, f"--out {out} is the result of another benchmark: allowed is another name")
    wanted = {**protocol, "commit": commit()}
    found = {**document["protocol"], "commit": document["commit"]}
    different = [
        f"{key}: {found.get(key)!r} there, {value!r} now" for key, value in wanted.items() if found.get(key) != value
    ]
    require(not different, f"--out {out} holds another run ({'; '.join(different)}): allowed is another name")
    return document


def read_document(path: Path) -> Document:
    """A result file. Raises InputError if it cannot be read or is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error})") from None
    good = (
        isinstance(document, dict)
        and {"benchmark", "commit", "hardware", "versions", "protocol", "rows"} <= document.keys()
    )
    require(good, f"{path} is not a result of `python -m benchmarks`")
    return dict(document)
