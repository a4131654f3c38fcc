"""A derivation: numbered lines, each computed from earlier ones by a named operation, and comparisons with the paper.

`Work` builds one. `check` computes every line again and every difference; `RefusedError` names the first line that
does not follow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sympy import Basic, Eq, Expr, Indexed, Integer, KroneckerDelta, Rel, S

from theory_sim.derivations import operations as op
from theory_sim.derivations.equality import identical, normal
from theory_sim.derivations.operations import Operation, RefusedError
from theory_sim.derivations.symbols import w

KINDS = ("term", "condition", "dropped", "stronger", "hypothetical")
CONVENTIONS = ("weights", "two-sided", "one-sided")
READABLE: dict[Callable[..., Basic], str] = {
    op.define: "definition",
    op.insert: "insert",
    op.insert_left: "insert on the left",
    op.fold: "write with the names defined",
    op.specialise: "specialise",
    op.rewrite: "rewrite",
    op.expanded: "expand",
    op.collected: "collect",
    op.factored: "factor",
    op.combined: "common denominator",
    op.added: "add",
    op.subtracted: "subtract",
    op.divided: "divide",
    op.multiplied: "multiply both sides",
    op.named: "name the left side",
    op.summed: "multiply and sum both sides",
    op.solved: "solve for",
    op.differentiated: "differentiate",
    op.truncated: "truncate the Taylor series",
    op.expanded_in: "power series",
    op.averaged: "average",
    op.at_limit: "limit",
    op.decided: "sign, term by term",
    op.bounded: "lower bound",
    op.equivalent: "equivalent condition",
    op.witness: "put numbers in",
    op.induct: "induction",
}


@dataclass(frozen=True)
class Line:
    """One line; `uses` are numbers of earlier lines.

    order: the power of the small quantity from which on terms were dropped, None if exact; worlds: names of the runs
    (`worlds.WORLDS`) whose numbers must satisfy it.
    """

    number: int
    operation: Operation
    uses: tuple[int, ...]
    expression: Basic
    note: str = ""
    order: int | None = None
    worlds: tuple[str, ...] = ()
    key: str = ""

    @property
    def operation_name(self) -> str:
        """What a reader sees, as `insert (3)`."""
        return self.operation.name


@dataclass(frozen=True)
class Comparison:
    """What the paper prints beside what follows.

    printed, derived: equations, conditions, or True where the paper asks for nothing; difference: derived minus
    printed, recorded in the code and computed again by `check`; order: as of the derived line. Where the difference is
    not zero: `consequence` for the theorem, and what `stays` true. kind of a difference: `term` (a factor, a term or a
    sign), `condition` (a hypothesis that is missing or turned round), `dropped` (terms that the paper drops and says
    so), `stronger` (more holds than is printed), `hypothetical` (what an assumption of the paper rules out).
    """

    source: str
    case: str
    line: int
    printed: Basic
    derived: Basic
    difference: Basic
    order: int | None = None
    consequence: str = ""
    stays: str = ""
    worlds: tuple[str, ...] = ()
    kind: str = "term"

    @property
    def agrees(self) -> bool:
        """True if the paper prints what follows."""
        return self.difference == 0 or self.difference == S.true


@dataclass(frozen=True)
class Derivation:
    """One derivation. The leading comparison (`printed`, `derived`, `difference`) is the last one.

    id: as in the ledger; claims: ids of ledger rows it speaks of; sums: how bands are summed; checks: functions that
    return what else was compared with explicit runs (`worlds.Measured`).
    """

    id: str
    title: str
    statement: str
    source: str
    claims: tuple[str, ...]
    sums: str
    lines: tuple[Line, ...]
    comparisons: tuple[Comparison, ...]
    checks: tuple[Callable[[], Any], ...] = field(default=(), compare=False)

    @property
    def printed(self) -> Basic:
        """As the paper has it."""
        return self.comparisons[-1].printed

    @property
    def derived(self) -> Basic:
        """As it follows."""
        return self.comparisons[-1].derived

    @property
    def difference(self) -> Basic:
        """Derived minus printed, 0 where they agree."""
        return self.comparisons[-1].difference

    def line(self, key: str) -> Line:
        """The line with this key."""
        return next(line for line in self.lines if line.key == key)


def difference(printed: Basic, derived: Basic) -> Basic:
    """Derived minus printed: of right sides of equations or of the two sides of like inequalities.

    Where the paper asks for nothing (True) the difference is the condition that follows.
    """
    if printed == S.true:
        return derived
    if isinstance(printed, Eq) and isinstance(derived, Eq):
        if not identical(printed.lhs, derived.lhs):
            raise RefusedError(f"left sides differ: {printed.lhs}, {derived.lhs}")
        return _plain(derived.rhs - printed.rhs)
    if isinstance(printed, Rel) and isinstance(derived, Rel) and printed.rel_op == derived.rel_op:
        return _plain((derived.lhs - derived.rhs) - (printed.lhs - printed.rhs))
    if isinstance(printed, Rel) and isinstance(derived, Rel):  # the direction differs: what follows is the difference
        return derived
    raise RefusedError(f"nothing to compare: {printed}, {derived}")


def _plain(e: Expr) -> Expr:
    return Integer(0) if identical(e, Integer(0)) else normal(e)


def check(derivation: Derivation) -> None:
    """Compute every line and every difference again. Raises RefusedError with the number of the line."""
    for line in derivation.lines:
        check_line_follows(derivation, line)
    for c in derivation.comparisons:
        check_comparison(derivation, c)


def recomputed(derivation: Derivation, line: Line) -> Basic:
    """What a line's operation makes of the lines it uses. Raises RefusedError."""
    return line.operation.apply(tuple(derivation.lines[n - 1].expression for n in line.uses))


def check_line_follows(derivation: Derivation, line: Line) -> None:
    """Compute one line again from the lines it uses. Raises RefusedError."""
    where = f"{derivation.id}, line {line.number} ({line.operation.name})"
    try:
        again = recomputed(derivation, line)
    except RefusedError as refusal:
        raise RefusedError(f"{where}: {refusal}") from None
    if not same(again, line.expression):
        raise RefusedError(f"{where}: {line.expression} does not follow, {again} does")


def check_comparison(derivation: Derivation, c: Comparison) -> None:
    """Compute one difference again. Raises RefusedError."""
    where = f"{derivation.id}, comparison with {c.source}"
    if not same(derivation.lines[c.line - 1].expression, c.derived):
        raise RefusedError(f"{where}: line {c.line} says something else")
    found = difference(c.printed, c.derived)
    if not same(found, c.difference):
        raise RefusedError(f"{where}: the difference is {found}, not {c.difference}")


def same(one: Basic, other: Basic) -> bool:
    """True if two statements are the same, or proved to be."""
    return one == other or identical(one, other)


def proved(lines: tuple[Any, ...], identifier: str, key: str, sums: str) -> Basic:
    """A line of another derivation."""
    from theory_sim.derivations import derive

    return derive(identifier, sums).line(key).expression


class Work:
    """A derivation being written: every call appends a line, computed by its operation."""

    def __init__(  # noqa: D107 - the class says it
        self,
        identifier: str,
        title: str,
        statement: str,
        source: str,
        *,
        claims: tuple[str, ...] | None = None,
        sums: str = "weights",
        worlds: tuple[str, ...] = (),
    ) -> None:
        self.id, self.title, self.statement, self.source = identifier, title, statement, source
        self.claims = (identifier,) if claims is None else claims
        self.sums, self.worlds = sums, worlds
        self.lines: list[Line] = []
        self.comparisons: list[Comparison] = []
        self.checks: list[Callable[[], Any]] = []

    def _weighted(self, e: Any) -> Any:
        """The expression with the weights of a convention in place of any weights w_k."""
        if self.sums == "weights" or not isinstance(e, Basic):
            return e
        one_sided = self.sums == "one-sided"

        def weight(node: Any) -> Any:
            return Integer(1) if one_sided else 2 - KroneckerDelta(node.indices[0], 0)

        return e.replace(lambda node: isinstance(node, Indexed) and node.base == w, weight)

    def define(self, statement: Basic, note: str = "", *, name: str = "definition", **options: Any) -> Line:
        """A definition, or with name="suppose" a hypothesis."""
        return self._append(Operation(name, op.define, (self._weighted(statement),)), (), note, **options)

    def suppose(self, statement: Basic, note: str = "", **options: Any) -> Line:
        """A hypothesis."""
        return self.define(statement, note, name="suppose", **options)

    def proved(self, identifier: str, key: str, note: str = "", **options: Any) -> Line:
        """A line of another derivation, by its key."""
        operation = Operation(f"proved in {identifier}", proved, (identifier, key, self.sums))
        from theory_sim.derivations import derive

        options.setdefault("order", derive(identifier, self.sums).line(key).order)
        return self._append(operation, (), note, **options)

    def __call__(
        self, function: Callable[..., Basic], *uses: Line, args: tuple[Any, ...] = (), note: str = "", **options: Any
    ) -> Line:
        """The line that an operation makes of earlier ones. Raises RefusedError."""
        name = READABLE[function]
        if len(uses) > 1 or (uses and uses[0].number != len(self.lines)):
            name += " " + ", ".join(f"({line.number})" for line in uses)
        orders = [line.order for line in uses if line.order is not None]
        if orders:
            options.setdefault("order", min(orders))
        if function is op.truncated:
            options["order"] = int(args[0])
        if "worlds" not in options and uses:
            options["worlds"] = tuple(v for v in uses[0].worlds if all(v in line.worlds for line in uses))
        arguments = tuple(map(self._weighted, args))
        return self._append(Operation(name, function, arguments), tuple(line.number for line in uses), note, **options)

    def _append(self, operation: Operation, uses: tuple[int, ...], note: str, **options: Any) -> Line:
        options.setdefault("worlds", self.worlds)
        expression = operation.apply(tuple(self.lines[n - 1].expression for n in uses))
        line = Line(len(self.lines) + 1, operation, uses, expression, note, **options)
        self.lines.append(line)
        return line

    def compare(
        self,
        line: Line,
        printed: Basic,
        recorded: Basic | int | None,
        source: str,
        *,
        case: str = "",
        consequence: str = "",
        stays: str = "",
        kind: str = "",
    ) -> None:
        """Lay the paper's form beside a line; `recorded` is the difference this code claims. Raises RefusedError."""
        printed, recorded = self._weighted(printed), self._weighted(recorded)
        found = difference(printed, line.expression)
        expected = found if recorded is None else S(recorded)
        if not same(found, expected):
            raise RefusedError(f"{self.id}, comparison with {source}: the difference is {found}, not {expected}")
        if found != 0 and not (consequence and stays):
            raise ValueError(f"{self.id}: a difference needs its consequence and what stays true")
        self.comparisons.append(
            Comparison(
                source,
                case,
                line.number,
                printed,
                line.expression,
                expected,
                line.order,
                consequence,
                stays,
                line.worlds,
                kind or ("condition" if isinstance(found, Rel) else "term"),
            )
        )

    def check_by(self, function: Callable[[], Any]) -> None:
        """Compare with explicit runs by a function of its own."""
        self.checks.append(function)

    def done(self) -> Derivation:
        """The derivation."""
        return Derivation(
            self.id,
            self.title,
            self.statement,
            self.source,
            self.claims,
            self.sums,
            tuple(self.lines),
            tuple(self.comparisons),
            tuple(self.checks),
        )


def with_line(derivation: Derivation, line: Line) -> Derivation:
    """The derivation with one line replaced: what a slip of the pen would make of it."""
    return replace(derivation, lines=tuple(line if e.number == line.number else e for e in derivation.lines))
