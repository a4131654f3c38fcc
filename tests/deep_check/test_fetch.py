"""The command `fetch` against a server of this process: whole, broken off, wrong, refused, no disk; and who uses it."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import socket
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deep_check import fetch
from deep_check.cli import main
from deep_check.data import find_data
from theory_sim.errors import InputError
from theory_sim.inputs import cifar10
from theory_sim.inputs.cifar10 import BATCHES, FOLDER, RECORD, load_cifar10

PIECE = 4096  # bytes that are taken at once here
NAME, WHOLE = "cifar-10-binary.tar.gz", 3  # images of a batch here


def archive() -> bytes:
    """As the official one, but of a few images a batch."""
    rng = np.random.default_rng(0)
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name in BATCHES:
            records = rng.integers(0, 256, (WHOLE, RECORD), np.uint8)
            records[:, 0] %= 10
            member = tarfile.TarInfo(f"{FOLDER}/{name}.bin")
            member.size = records.size
            tar.addfile(member, io.BytesIO(records.tobytes()))
    return made.getvalue()


class Server(ThreadingHTTPServer):
    """Sends `content`, of each request the first `most` bytes; `asked`: what ranges it was asked for."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.most, self.status = content, len(content), 200
        self.knows_ranges = True
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/{NAME}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        own = self.server
        asked = self.headers.get("Range") or ""
        own.asked.append(asked)
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and own.knows_ranges else 0
        if own.status != 200 or (first and first >= len(own.content)):
            self.send_error(own.status if own.status != 200 else 416)
            return
        left = own.content[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(left)))
        self.end_headers()
        self.wfile.write(left[: own.most])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """A server whose archive is taken for the official one; the user's own folder is an empty one."""
    content = archive()
    monkeypatch.setitem(cifar10.ARCHIVES, NAME, hashlib.md5(content).hexdigest())
    monkeypatch.setattr(cifar10, "WHOLE", WHOLE)
    monkeypatch.setattr(fetch, "PIECE", PIECE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    with Server(content) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def sizes(folder: Path) -> dict[str, int]:
    """What a folder holds."""
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_a_folder_that_every_command_finds(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"--data FOLDER, or `python -m deep_check fetch`"):
        find_data()
    assert main(["fetch", "--url", server.url, "--quiet"]) == 0
    folder = find_data()
    assert FOLDER in capsys.readouterr().out
    expected = {f"{FOLDER}/{name}.bin": WHOLE * RECORD for name in BATCHES} | {NAME: len(server.content)}
    assert sizes(folder) == expected
    assert len(load_cifar10(folder, BATCHES).labels) == 6 * WHOLE
    assert find_data(Path("elsewhere")) == Path("elsewhere")
    # Again: nothing is downloaded, what was damaged is repaired.
    (folder / FOLDER / "data_batch_1.bin").write_bytes(b"")
    assert main(["fetch", "--url", server.url, "--quiet"]) == 0
    assert sizes(folder) == expected
    assert len(server.asked) == 1


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_what_broke_off_is_gone_on_with(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], knows_ranges: bool
) -> None:
    server.most, server.knows_ranges = 5 * PIECE, knows_ranges
    command = ["fetch", "--url", server.url, "--quiet", "--out", str(tmp_path)]
    kept = []
    for _ in range(2):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert f"the connection broke after {(len(kept) * knows_ranges + 1) * 5 * PIECE:,} of 55," in error
        assert "goes on from there" in error
        kept.append(sizes(tmp_path))
    assert kept == [{f"{NAME}.part": n * 5 * PIECE} for n in ((1, 2) if knows_ranges else (1, 1))]
    server.most = len(server.content)
    assert main(command) == 0
    assert f"--data {tmp_path}" in capsys.readouterr().out
    assert [bool(asked) for asked in server.asked] == [False, True, True]
    assert (tmp_path / NAME).read_bytes() == server.content
    assert len(load_cifar10(tmp_path, BATCHES).labels) == 6 * WHOLE


def test_all_of_it_came_before_the_interruption(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(server.content)
    fetch.fetch_cifar10(tmp_path, url=server.url)
    assert len(load_cifar10(tmp_path, BATCHES).labels) == 6 * WHOLE


@pytest.mark.parametrize("part", [0, 1000])
def test_another_archive_is_refused_and_deleted(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], part: int
) -> None:
    """Also where the beginning of another one was kept; the next call begins anew."""
    good = server.content
    (tmp_path / f"{NAME}.part").write_bytes(bytes(part))
    server.content = good if part else good[:-1] + b"x"
    assert main(["fetch", "--url", server.url, "--quiet", "--out", str(tmp_path)]) == 2
    assert "not the official archive" in capsys.readouterr().err
    assert sizes(tmp_path) == {}
    server.content = good
    assert main(["fetch", "--url", server.url, "--quiet", "--out", str(tmp_path)]) == 0


@pytest.mark.parametrize("status", [404, 503])
def test_a_server_that_refuses(server: Server, tmp_path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(InputError, match=rf"the server says {status}"):
        fetch.fetch_cifar10(tmp_path, url=server.url)
    assert sizes(tmp_path) == {}
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="refused"):
        fetch.fetch_cifar10(tmp_path, url=server.url)
    with pytest.raises(InputError, match=r"^127\.0\.0\.1: Connection refused; the same command goes on"):
        fetch.fetch_cifar10(tmp_path, url=server.url)
    with pytest.raises(InputError, match="layout 'zip': allowed are binary, python"):
        fetch.fetch_cifar10(tmp_path, "zip")


@pytest.mark.parametrize("url", ["file:///etc/hosts", "ftp://host/archive", "host/archive", "http:///archive"])
def test_only_http_and_https(tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
    assert main(["fetch", "--url", url, "--quiet", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: url {url!r}: allowed are http://HOST/... and https://HOST/...\n"
    assert sizes(tmp_path) == {}
    assert main(["fetch", "--quiet", "--out", "/dev/null"]) == 2
    assert capsys.readouterr().err.startswith("error: --out /dev/null is no folder: allowed is a folder")


def test_without_a_network_the_host_and_the_reason_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for proxy in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert main(["fetch", "--quiet", "--out", str(tmp_path)]) == 2
    words = "www.cs.toronto.edu: Name or service not known; the same command goes on from what has come"
    assert capsys.readouterr().err == f"error: {words}\n"


@pytest.mark.parametrize("when", ["download", "unpacking"])
def test_no_space_left(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], when: str
) -> None:
    """One line; no file is left in a batch's place, and what was there stays."""
    command = ["fetch", "--url", server.url, "--quiet", "--out", str(tmp_path)]
    old = tmp_path / FOLDER
    old.mkdir()
    (old / "test_batch.bin").write_bytes(b"old")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    write_bytes, replace = Path.write_bytes, Path.replace
    n_written = 0

    def write(path: Path, content: bytes) -> int:
        nonlocal n_written
        n_written += 1
        if n_written < 4:
            return write_bytes(path, content)
        write_bytes(path, content[: len(content) // 2])
        raise full

    def move(path: Path, target: Any) -> Path:
        if path.suffix == ".part":
            raise full
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write) if when == "unpacking" else patch.setattr(Path, "replace", move)
        assert main(command) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: cannot write")
    assert told.endswith("No space left on device\n")
    assert sizes(tmp_path) == {f"{FOLDER}/test_batch.bin": 3} | (
        {NAME: len(server.content)} if when == "unpacking" else {f"{NAME}.part": len(server.content)}
    )
    assert main(command) == 0
    assert sizes(tmp_path)[f"{FOLDER}/test_batch.bin"] == WHOLE * RECORD


def test_an_archive_that_is_not_whole_is_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(archive()[:-5000])
    with pytest.raises(InputError, match="cannot unpack"):
        fetch.unpack(tmp_path / NAME, tmp_path / FOLDER)
    (tmp_path / NAME).write_bytes(archive())
    with pytest.raises(InputError, match="not whole"):  # three images a batch are not the official ones
        fetch.unpack(tmp_path / NAME, tmp_path / FOLDER)
    assert list(sizes(tmp_path)) == [NAME]


def test_progress_is_told(server: Server, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    fetch.fetch_cifar10(tmp_path, url=server.url, report=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(server.content),) * 2
    assert [done for done, _ in told] == sorted({done for done, _ in told})
