"""What the report says, gathered; and the page and the JSON written from it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from theory_sim.empirical import Finding
from theory_sim.errors import InputError, require

MOST_BYTES = 5_000_000
FORMAT = "theory_sim report 1"
FAIR = "Each entry is one place where print and derivation differ: what it means for the theorem, and what stays true."
ROW_FIELDS = (
    "claim", "case", "printed", "corrected", "n", "statement", "correction", "hypotheses", "source", "kind", "details",
    "counterexample", "n_by_source", "seed", "known",
)  # fmt: skip


@dataclass
class Content:
    """The report's parts.

    ledger: as `verify --json` writes it; derivations, errata: HTML by id (errata: what is counted, and one section);
    pictures: (anchor, title, words, SVG) of the extensions; measured: rows of a results.json, pictures: data URIs.
    """

    ledger: dict[str, Any]
    provenance: dict[str, str]
    derivations: dict[str, Any] = field(default_factory=dict)
    errata: list[Any] = field(default_factory=list)
    pictures: list[Any] = field(default_factory=list)
    measured: list[Finding] = field(default_factory=list)
    embedded: dict[str, str] = field(default_factory=dict)


def read_ledger(path: Path) -> dict[str, Any]:
    """A ledger that `verify --json` wrote. Raises InputError, one line, if it cannot be read or is none."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read ledger {path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"ledger {path}: is not JSON ({error})") from None
    rows = content.get("claims") if isinstance(content, dict) else None
    require(isinstance(rows, list) and bool(rows), f"ledger {path}: allowed is what verify --json writes")
    assert isinstance(rows, list)
    for name in ("samples", "seed"):
        require(isinstance(content.get(name), int), f"ledger {path}: {name}: allowed is a whole number")
    # Rows of verify --deep come from results.json, which --deep reads.
    content["claims"] = [row for row in rows if not (isinstance(row, dict) and row.get("kind") == "empirical")]
    for i, row in enumerate(content["claims"], 1):
        missing = [name for name in ROW_FIELDS if name not in row] if isinstance(row, dict) else list(ROW_FIELDS)
        require(not missing, f"ledger {path}: row {i}: missing {', '.join(missing)}")
    return content


def is_ours(row: dict[str, Any]) -> bool:
    """True for an extension of the paper; older ledgers do not say so themselves."""
    from theory_sim.claims import BY_KEY

    key = f"{row['claim']}[{row['case']}]" if row["case"] else row["claim"]
    return bool(row.get("ours", key in BY_KEY and BY_KEY[key].ours))


def code_of(claim_id: str) -> list[str]:
    """Files, relative to the repository's root, that judge and derive a claim."""
    from theory_sim.claims import FAMILIES
    from theory_sim.derivations import catalogue

    modules = [family.__name__ for family in FAMILIES if any(c.id == claim_id for c in family.CLAIMS)]
    if claim_id in catalogue.FAMILIES:
        modules.append(catalogue.FAMILIES[claim_id].__module__)
    return [name.replace(".", "/") + ".py" for name in modules]


def _link(name: str, folder: Path) -> str:
    """From the page in `folder` to a file of this package's source, where it lies on this machine."""
    source = Path(__file__).resolve().parents[2] / name
    return quote(os.path.relpath(source, folder.resolve()).replace(os.sep, "/"))


def number(value: Any, digits: int = 3) -> str:
    """A number for reading, "-" for None."""
    return "-" if value is None else f"{value:.{digits}g}"


def evidence_words(row: dict[str, Any], version: str) -> str:
    """The number that a verdict rests on, with its 95 % interval and n."""
    found = row["details"][version]
    if found["verdict"] is None:
        return ""
    interval = found["interval"]
    low, high = interval if interval is not None else (None, None)
    n = f"n = {found['n']:,}"
    if row["kind"] == "order":
        if not found["order"] or low is None:
            return f"errors at round-off; {n}"
        local, whole = found["order"]
        over = "" if whole is None else f", whole run {whole:.2f}"
        return f"order {local:.3f} [{low:.3f}, {high:.3f}]{over}; {n}"
    if row["kind"] == "value":
        return n if low is None else f"mean minus stated [{low:.4f}, {high:.4f}]; {n}"
    share = 100 * found["violations"] / found["n"] if found["n"] else 0.0
    bounds = "" if low is None or high is None else f" [{100 * low:.3g}, {100 * high:.3g}] %"
    how_many = f"{found['violations']:,} violate = {share:.3g} %" if found["violations"] else "none violates"
    return f"{how_many}{bounds}; worst margin {number(found['worst'])}; {n}"


def gather_derivations(
    identifiers: Sequence[str], check: bool, tell: Any = lambda *_: None
) -> tuple[dict[str, Any], list[str]]:
    """HTML and number of lines by id; and those that do not hold, in words."""
    from theory_sim.derivations import derive, pages
    from theory_sim.derivations.verification import verify

    found, failed = {}, []
    for i, identifier in enumerate(identifiers):
        tell("derivations", i, len(identifiers))
        derivation = derive(identifier)
        verification = verify(derivation) if check else None
        if verification is not None and not verification.holds:
            failed.append(f"{identifier}: {verification.summary}")
        found[identifier] = {
            "title": derivation.title,
            "html": pages.as_html(derivation, verification),
            "lines": len(derivation.lines),
            "differ": sum(not c.agrees for c in derivation.comparisons),
            "checked": None if verification is None else verification.summary,
        }
    return found, failed


def as_json(content: Content) -> dict[str, Any]:
    """The numbers behind the page: `claims` as in a ledger, so that `replay` reads this file too."""
    from theory_sim.report.overview import one_result

    ledger = content.ledger
    return {
        "format": FORMAT,
        "one_result": one_result(ledger["claims"]),
        **{name: value for name, value in ledger.items() if name != "claims"},
        "claims": ledger["claims"],
        "derivations": {
            name: {k: d[k] for k in ("title", "lines", "differ", "checked")} for name, d in content.derivations.items()
        },
        "errata": [
            {
                "id": e.id, "source": e.source, "case": e.case, "kind": e.kind, "printed": str(e.printed),
                "derived": str(e.derived), "difference": str(e.difference), "effect": e.effect.words,
                "consequence": e.consequence, "stays": e.stays,
            }
            for e in content.errata
        ],
        "measured": [row.as_dict() for row in content.measured],
        "report_provenance": content.provenance,
    }  # fmt: skip


@lru_cache(maxsize=1)
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    folder = PackageLoader("theory_sim.report", ".")
    environment = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["number"] = number
    return environment


def page(content: Content, folder: Path = Path("report")) -> str:
    """The whole HTML file; its commands name files in `folder`. InputError if it would be larger than `MOST_BYTES`."""
    from markupsafe import Markup

    from theory_sim.claims.counterexample import file_name
    from theory_sim.derivations import pages
    from theory_sim.report import course, evidence, overview
    from theory_sim.report.explorer import LIMITS, Start
    from theory_sim.report.statements import statements

    rows = content.ledger["claims"]
    claims = []
    for claim_id, group in groupby(rows, key=lambda row: row["claim"]):
        cases = list(group)
        claims.append(
            {
                "id": claim_id,
                "rows": cases,
                "ours": is_ours(cases[0]),
                "typeset": statements()[claim_id],
                "source": cases[0]["source"],
                "code": [(name, _link(name, folder)) for name in code_of(claim_id)],
                "statements": list(dict.fromkeys(row["statement"] for row in cases)),
                "corrections": list(dict.fromkeys(row["correction"] for row in cases if row["correction"])),
                "alike": len({row["statement"] for row in cases}) == 1
                and len({row["correction"] for row in cases if row["correction"]}) <= 1,
                "plot": Markup(evidence.plot(cases)),
                "errata": [e for e in content.errata if e.derivation == claim_id],
                "verdicts": summary(cases),
            }
        )
    ids = [claim["id"] for claim in claims]
    here = Path(__file__).parent
    html = (
        _environment()
        .get_template("report.html.j2")
        .render(
            content=content,
            claims=claims,
            others={name: d for name, d in content.derivations.items() if name not in ids},
            errata=Markup(pages.errata_html(content.errata).replace("</h2>", f"</h2><p>{FAIR}</p>", 1)),
            style=Markup((here / "style.css").read_text(encoding="utf-8") + pages.STYLE),
            script=Markup((here / "explorer.js").read_text(encoding="utf-8")),
            limits=LIMITS,
            start=Start(),
            evidence_words=evidence_words,
            file_name=file_name,
            folder=shlex.quote(folder.as_posix()),
            counts=counts(rows),
            theorems=overview.theorems(rows),
            mark=overview.mark,
            one_result=overview.one_result(rows),
            course=course.draw,
            safe=Markup,
        )
    )
    size = len(html.encode())
    require(size < MOST_BYTES, f"the page has {size:,} bytes: allowed are fewer than {MOST_BYTES:,}")
    return html


def counts(rows: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, int]]]:
    """How many rows have which verdict: the paper's and ours, each as printed (or carried over) and as corrected."""
    found = []
    for ours, names in ((False, ("as printed", "as corrected")), (True, ("ours, carried over", "ours, as corrected"))):
        for version, name in zip(("printed", "corrected"), names, strict=True):
            said = [row[version] for row in rows if is_ours(row) == ours and row[version] is not None]
            if said:
                found.append((name, {word: said.count(word) for word in dict.fromkeys(sorted(said))}))
    return found


def summary(cases: Sequence[dict[str, Any]]) -> str:
    """Verdicts as printed of one claim, for the table of contents."""
    said = [row["printed"] for row in cases if row["printed"] is not None]
    if not said:
        said = [row["corrected"] for row in cases]
    return ", ".join(f"{said.count(word)} {word}" for word in dict.fromkeys(sorted(said)))


def write(content: Content, folder: Path) -> list[Path]:
    """report.html, report.json, ledger.png and the counterexamples: all become the new ones, or none does."""
    from theory_sim.claims.counterexample import file_name
    from theory_sim.files import replacing
    from theory_sim.report.overview import picture

    texts = {
        folder / "report.html": page(content, folder),
        folder / "report.json": json.dumps(as_json(content), ensure_ascii=False, indent=1, allow_nan=False) + "\n",
    }
    theorems = picture(content.ledger["claims"])
    for row in content.ledger["claims"]:
        if row["counterexample"]:
            text = json.dumps(row["counterexample"], ensure_ascii=False, indent=1, allow_nan=False) + "\n"
            texts[folder / "counterexamples" / file_name(row["claim"], row["case"])] = text
    pictures = {} if theorems is None else {folder / "ledger.png": theorems}
    targets = [*texts, *pictures]
    try:
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}") from None
    with replacing(targets) as fresh:
        for path, text in zip(fresh[: len(texts)], texts.values(), strict=True):
            path.write_text(text, encoding="utf-8")
        for path, image in zip(fresh[len(texts) :], pictures.values(), strict=True):
            path.write_bytes(image)
    return targets
