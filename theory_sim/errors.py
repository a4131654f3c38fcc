"""The one exception a user's mistake raises."""


class InputError(ValueError):
    """A value the user gave is not allowed; the message names it and what is allowed, on one line."""


def require(condition: bool, message: str) -> None:
    """Raise `InputError(message)` unless `condition` holds."""
    if not condition:
        raise InputError(message)
