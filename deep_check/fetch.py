"""CIFAR-10 from its author's page: downloaded, checked against the published MD5, unpacked; and where it then lies."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from theory_sim.errors import InputError, require
from theory_sim.files import replacing
from theory_sim.inputs.cifar10 import ARCHIVES, BATCHES, FOLDER, PYTHON_FOLDER, load_cifar10

SITE = "https://www.cs.toronto.edu/~kriz/"
LAYOUTS = {"binary": ("cifar-10-binary.tar.gz", FOLDER), "python": ("cifar-10-python.tar.gz", PYTHON_FOLDER)}
TIMEOUT_S = 60.0  # without a byte
PIECE = 1 << 16

Report = Callable[[int, int], None]


def default_folder() -> Path:
    """Where `fetch` puts the data set unless told otherwise, one for each user."""
    import pooch

    return Path(pooch.os_cache("spectral-claims")) / "cifar10"


def fetch_cifar10(
    folder: Path, layout: str = "binary", url: str | None = None, report: Report = lambda done, total: None
) -> Path:
    """Download the archive of a layout into `folder` and unpack it there; the folder of its batches.

    What broke off is gone on with by the next call, what is there is checked and not downloaded again. url: of a
    mirror; whatever it sends, the archive must be the official one. report: told bytes done, and all. Raises InputError
    on an unknown layout, a url of neither http nor https, if the server refuses or the connection breaks (what has come
    is kept, apart from the archive), if the archive is not the official one (it is deleted), and if the disk refuses.
    """
    import pooch

    require(layout in LAYOUTS, f"layout {layout!r}: allowed are {', '.join(LAYOUTS)}")
    name, inner = LAYOUTS[layout]
    url = url or SITE + name
    parts = urlsplit(url)
    good = parts.scheme in ("http", "https") and bool(parts.hostname)
    require(good, f"url {url!r}: allowed are http://HOST/... and https://HOST/...")
    pooch.get_logger().setLevel("WARNING")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        download = _Download(folder / f"{name}.part", report)
        pooch.retrieve(url, f"md5:{ARCHIVES[name]}", fname=name, path=folder, downloader=download)
    except OSError as error:
        raise InputError(f"cannot write {folder / name}: {error.strerror or error}") from None
    except InputError:
        raise
    except ValueError as error:  # pooch's word for a hash that differs; it has deleted the file
        raise InputError(f"{url} is not the official archive ({_line(error)}): it is deleted") from None
    unpack(folder / name, folder / inner)
    return folder / inner


def unpack(archive: Path, target: Path) -> None:
    """The batches of an archive as files of a folder, which becomes `target` once all of them have been read back.

    Raises InputError if the archive or a batch cannot be read, and if the disk refuses.
    """
    with replacing([target]) as (fresh,):
        fresh.mkdir()
        try:
            with tarfile.open(archive) as opened:
                for member in opened:
                    content = opened.extractfile(member)
                    if content is not None:
                        (fresh / Path(member.name).name).write_bytes(content.read())
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise InputError(f"cannot unpack {archive}: {_line(error)}") from None
        load_cifar10(fresh, BATCHES)


class _Download:
    """Pooch's downloader that keeps what has come in `part` and goes on from there."""

    def __init__(self, part: Path, report: Report) -> None:
        self._part, self._report = part, report

    def __call__(self, url: str, output_file: Any, _: Any) -> None:
        """Download url to output_file."""
        import requests

        there = self._part.stat().st_size if self._part.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
        try:
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
                if answer.status_code != requests.codes.requested_range_not_satisfiable:  # else all of it has come
                    self._take(answer, url, there)
        except requests.exceptions.RequestException as error:
            host = urlsplit(url).hostname
            raise InputError(f"{host}: {_reason(error)}; the same command goes on from what has come") from None
        self._part.replace(output_file)

    def _take(self, answer: Any, url: str, there: int) -> None:
        import requests

        require(answer.ok, f"{url}: the server says {answer.status_code} {answer.reason}")
        goes_on = there > 0 and answer.status_code == requests.codes.partial_content
        done = there if goes_on else 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else 0
        with self._part.open("ab" if goes_on else "wb") as file:
            try:
                for piece in answer.iter_content(PIECE):
                    file.write(piece)
                    done += len(piece)
                    self._report(done, max(total, done))
            except requests.exceptions.RequestException as error:
                raise _broken(url, done, total, _reason(error)) from None
        if done < total:  # which older versions of requests do not notice
            raise _broken(url, done, total, "nothing more came")


def _broken(url: str, done: int, total: int, reason: str) -> InputError:
    return InputError(
        f"{url}: the connection broke after {done:,} of {total:,} bytes ({reason}); "
        "the same command goes on from there"
    )  # fmt: skip


def _reason(error: BaseException) -> str:
    """The innermost error's words: requests and urllib3 wrap the system's ("Connection refused") in their own names."""
    import requests

    if isinstance(error, requests.exceptions.Timeout):
        return f"no answer within {TIMEOUT_S:g} s"
    inner, words = error, ""
    for _ in range(20):  # as deep as wrapping goes, were it circular
        if isinstance(inner, OSError) and (inner.strerror or not isinstance(inner, requests.RequestException)):
            words = inner.strerror or _line(inner)
        wrapped = [getattr(inner, "reason", None), inner.__cause__, inner.__context__, *inner.args]
        found = next((one for one in wrapped if isinstance(one, BaseException)), None)
        if found is None:
            break
        inner = found
    return (words or _line(inner))[:120]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
