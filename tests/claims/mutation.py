"""Mutants of the claims' code, one change each, put into the running functions and taken out again.

A mutant replaces the code object of one function, so that everyone who imported the function runs the mutant. What may
change: signs (+ for -, a minus dropped or added), factors (constants that multiply, divide or are exponents or
arguments), bands (low for high in names, index 0 for 1, a reversal left out) and the direction of comparisons.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import CodeType, FunctionType, ModuleType
from typing import Any

FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE}
BANDS = (("low", "high"), ("high", "low"))
SMALLEST_FACTOR, LARGEST_FACTOR = (
    0.01,
    100,
)  # beyond these a number is a tolerance or a threshold, not a factor of a law
NOT_CODE = ("_claims", "_lemma_rows")  # rows of the ledger: texts, tolerances, recorded verdicts


@dataclass(frozen=True)
class Mutant:
    """One change of one function. `name` says where and what, and is unique."""

    name: str
    function: FunctionType
    code: CodeType

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Run everything inside with the mutant in place."""
        original = self.function.__code__
        self.function.__code__ = self.code
        try:
            yield
        finally:
            self.function.__code__ = original


def mutants(module: ModuleType) -> list[Mutant]:
    """All mutants of a module's functions, methods and properties, in the order of its source."""
    tree = ast.parse(inspect.getsource(module))
    found: list[Mutant] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name not in NOT_CODE:
            found += _of_function(module, node, vars(module)[node.name], node.name)
        elif isinstance(node, ast.ClassDef):
            owner = vars(module)[node.name]
            for method in node.body:
                if isinstance(method, ast.FunctionDef):
                    found += _of_function(module, method, vars(owner)[method.name], f"{node.name}.{method.name}")
    return found


def plain(attribute: Any) -> FunctionType:
    """The function behind a method, property, class method or cached property."""
    if isinstance(attribute, property):
        attribute = attribute.fget
    elif isinstance(attribute, cached_property):
        attribute = attribute.func
    function = inspect.unwrap(getattr(attribute, "__func__", attribute))
    assert isinstance(function, FunctionType)
    return function


def _of_function(module: ModuleType, node: ast.FunctionDef, attribute: Any, name: str) -> list[Mutant]:
    function, found = plain(attribute), []
    seen: dict[str, int] = {}
    node = _without_docstring(node)
    for change in _changes(node, set(function.__code__.co_varnames) | _nested_names(function.__code__)):
        mutated = copy.deepcopy(node)
        before, after = change(mutated)
        code = _compiled(mutated, module)
        if code.co_code == function.__code__.co_code and code.co_consts == function.__code__.co_consts:
            continue
        label = f"{module.__name__.split('.')[-1]}.{name}: {before} -> {after}"
        seen[label] = seen.get(label, 0) + 1
        found.append(Mutant(label if seen[label] == 1 else f"{label} (no. {seen[label]})", function, code))
    return found


def _without_docstring(node: ast.FunctionDef) -> ast.FunctionDef:
    node = copy.deepcopy(node)
    if ast.get_docstring(node) is not None:
        node.body = node.body[1:] or [ast.Pass()]
    return node


def _nested_names(code: CodeType) -> set[str]:
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return {name for const in inner for name in {*const.co_varnames, *_nested_names(const)}}


def _compiled(node: ast.FunctionDef, module: ModuleType) -> CodeType:
    node.decorator_list = []
    tree = ast.fix_missing_locations(ast.Module([node], []))
    flags = __future__.annotations.compiler_flag
    code = compile(tree, module.__file__ or "", "exec", flags, dont_inherit=True)
    return next(const for const in code.co_consts if isinstance(const, CodeType) and const.co_name == node.name)


Change = Callable[[ast.AST], tuple[str, str]]


def _changes(node: ast.FunctionDef, names: set[str]) -> Iterator[Change]:
    """One function per change; it is given a copy of `node` and changes it in place."""
    parents = {id(c): p for p in ast.walk(node) for c in ast.iter_child_nodes(p)}
    for index, child in enumerate(ast.walk(node)):
        if _counts(child, parents):
            continue
        for edit in _edits(child, names):
            yield _at(index, edit)
        if _is_factor(child, parents):
            yield _at(index, _scaled)


def _counts(node: ast.AST, parents: dict[int, ast.AST]) -> bool:
    """True inside of indices of steps, axes and sizes of arrays: positions and counts, no signs or factors."""
    while id(node) in parents:
        parent = parents[id(node)]
        if isinstance(parent, ast.Subscript) and node is parent.slice:
            return True
        if isinstance(parent, ast.keyword) and parent.arg == "axis":
            return True
        if isinstance(node, ast.BinOp) and any(_is_length(side) for side in (node.left, node.right)):
            return True
        node = parent
    return False


def _is_length(node: ast.AST) -> bool:
    """len(...), a number of steps, or a step."""
    called = isinstance(node, ast.Call) and ast.unparse(node.func) in ("len", "int")
    return called or ast.unparse(node).split(".")[-1] in ("steps", "n", "t", "OCTAVES", "states", "chosen[0]")


def _at(index: int, edit: Callable[[Any], None]) -> Change:
    def change(root: ast.AST) -> tuple[str, str]:
        nodes = list(ast.walk(root))
        target = nodes[index]
        whole = _context(root, target)
        before = ast.unparse(whole)
        edit(target)
        return before, ast.unparse(whole)

    return change


def _context(root: ast.AST, target: ast.AST) -> ast.AST:
    """What to show: the innermost expression with an operator around the target, or the target's parent."""
    parents = {id(c): p for p in ast.walk(root) for c in ast.iter_child_nodes(p)}
    node = target
    while isinstance(
        node, ast.Name | ast.Constant | ast.Attribute | ast.operator | ast.cmpop | ast.UnaryOp | ast.Slice
    ):
        parent = parents[id(node)]
        if isinstance(parent, ast.stmt | ast.comprehension | ast.arguments):
            return parent if isinstance(parent, ast.Assign | ast.Return | ast.AugAssign) else node
        node = parent
    return node


def _edits(node: ast.AST, names: set[str]) -> Iterator[Callable[[Any], None]]:
    if isinstance(node, ast.BinOp | ast.AugAssign):
        if isinstance(node.op, ast.Add | ast.Sub) and not _is_text(node):
            yield _plus_minus
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            yield _negate_left
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant):
            yield _exponent
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield _drop_minus
    elif isinstance(node, ast.Compare):
        if type(node.ops[0]) in FLIPPED:
            yield _turn_round
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        other = _other_band(node.attr)
        if other is not None and node.attr not in ("is_low",):
            yield lambda n, other=other: setattr(n, "attr", other)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        other = _other_band(node.id)
        if other in names:
            yield lambda n, other=other: setattr(n, "id", other)
    elif isinstance(node, ast.Subscript):
        last = _last_index(node)
        of_band = isinstance(node.slice, ast.Tuple) or ast.unparse(node.value) in ("of_input", "out")
        if of_band and isinstance(last, ast.Constant) and last.value in (0, 1) and isinstance(node.ctx, ast.Load):
            yield _other_index
        if isinstance(last, ast.Slice) and last.lower is None and last.upper is None and last.step is not None:
            yield _not_reversed


def _other_band(name: str) -> str | None:
    return next((name.replace(band, other) for band, other in BANDS if band in name), None)


def _is_text(node: ast.BinOp | ast.AugAssign) -> bool:
    return any(isinstance(n, ast.JoinedStr) or isinstance(getattr(n, "value", None), str) for n in ast.walk(node))


def _is_factor(node: ast.AST, parents: dict[int, ast.AST]) -> bool:
    """A number other than 0 in a product or a quotient, or handed to a function (floats, without a keyword)."""
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool) or not isinstance(node.value, int | float):
        return False
    parent = parents[id(node)]
    if isinstance(parent, ast.UnaryOp):
        parent = parents[id(parent)]
    if isinstance(parent, ast.keyword):  # flip=1.0 and the like are signs
        return False
    if isinstance(parent, ast.Call):
        return isinstance(node.value, float) and SMALLEST_FACTOR <= abs(node.value) < LARGEST_FACTOR
    if not isinstance(parent, ast.BinOp) or not isinstance(parent.op, ast.Mult | ast.Div):
        return False
    return SMALLEST_FACTOR <= abs(node.value) < LARGEST_FACTOR


def _plus_minus(node: ast.BinOp | ast.AugAssign) -> None:
    node.op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()


def _negate_left(node: ast.BinOp) -> None:
    node.left = ast.UnaryOp(ast.USub(), node.left)


def _exponent(node: ast.BinOp) -> None:
    assert isinstance(node.right, ast.Constant)
    node.right.value = 1 if node.right.value == 2 else node.right.value + 1


def _drop_minus(node: ast.UnaryOp) -> None:
    node.op = ast.UAdd()


def _turn_round(node: ast.Compare) -> None:
    node.ops[0] = FLIPPED[type(node.ops[0])]()


def _last_index(node: ast.Subscript) -> ast.expr:
    return node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice


def _other_index(node: ast.Subscript) -> None:
    last = _last_index(node)
    assert isinstance(last, ast.Constant)
    last.value = 1 - last.value


def _not_reversed(node: ast.Subscript) -> None:
    last = _last_index(node)
    assert isinstance(last, ast.Slice)
    last.step = None


def _scaled(node: ast.Constant) -> None:
    node.value = {2: 1, 1: 2, 0.5: 1.0}.get(node.value, 2 * node.value)
