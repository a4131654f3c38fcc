"""What `--cluster` takes; without Dask, so that a malformed address is refused at once."""

from __future__ import annotations

import re

from theory_sim.errors import require

_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(?P<port>[0-9]{1,5})")
LARGEST_PORT = 65535


def check_address(address: str) -> None:
    """Raise InputError unless `address` has the form of a Dask scheduler's."""
    found = _ADDRESS.fullmatch(address)
    allowed = "allowed is tcp://HOST:PORT or tls://HOST:PORT"
    require(found is not None and 0 < int(found["port"]) <= LARGEST_PORT, f"--cluster {address}: {allowed}")
