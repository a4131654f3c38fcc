"""Running test functions by hand, so that a mutant in this process meets them: parametrised ones, no fixtures."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from types import CodeType, ModuleType
from typing import Any

from tests.claims.bench import executed


class UnitTests:
    """The tests of some modules that need no fixture, each with the code it runs."""

    def __init__(self, *modules: ModuleType) -> None:
        self.calls = [call for module in modules for call in _calls(module)]
        self.touched: list[set[CodeType]] = [executed(lambda call=call: call[0](**call[1])) for call in self.calls]

    def fail(self, code: CodeType) -> bool:
        """True if a test that runs the function whose original code is `code` fails now."""
        return any(code in seen and _fails(*call) for call, seen in zip(self.calls, self.touched, strict=True))


def _fails(function: Any, arguments: dict[str, Any]) -> bool:
    try:
        function(**arguments)
    except Exception:
        return True
    return False


def _calls(module: ModuleType) -> Iterator[tuple[Any, dict[str, Any]]]:
    for name, function in vars(module).items():
        if not name.startswith("test_") or not callable(function):
            continue
        marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
        choices = [[_named(mark.args[0], values) for values in mark.args[1]] for mark in marks]
        for chosen in itertools.product(*choices):
            arguments = {key: value for part in chosen for key, value in part.items()}
            if set(inspect.signature(function).parameters) <= set(arguments):
                yield function, arguments


def _named(names: Any, values: Any) -> dict[str, Any]:
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    values = getattr(values, "values", values) if not isinstance(values, dict) else values
    return {names[0]: values} if len(names) == 1 else dict(zip(names, values, strict=True))
