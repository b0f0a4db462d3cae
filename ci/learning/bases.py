"""The base model of a loop: a file that is here, or one from the network, kept by its SHA-256."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from git_hone.ci.learning.settings import Settings
from git_hone.learner.errors import DataError, UsageError
from git_hone.learner.variants import is_loopback


def fetched(of: Settings) -> Path:
    """The base as a file. Raises UsageError where none is named or the address does not answer, DataError when it holds something else."""
    if of.base is None:
        raise UsageError("no base model", tip="name a GGUF file with --base, or models with --candidate and --incumbent")
    if "://" not in of.base:
        return Path(of.base)
    if not (of.base.startswith("https://") or is_loopback(of.base)):
        raise UsageError(f"{of.base}: only https is fetched", tip="give another address, or a file")
    if not re.fullmatch("[0-9a-f]{64}", of.base_sha256 or ""):
        raise UsageError(f"{of.base}: fetched only with its SHA-256", tip="give its 64 digits with --base-sha256")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "git-hone" / "bases" / str(of.base_sha256)
    name = re.sub(r"[^A-Za-z0-9.-]", "_", Path(urlsplit(of.base).path).name).lstrip(".") or "base"
    file = cache / (name if name.endswith(".gguf") else f"{name}.gguf")
    if not file.is_file():
        _fetch(of.base, file, str(of.base_sha256))
    return file


def _fetch(address: str, file: Path, sha256: str) -> None:
    import httpx

    part, seen = file.with_suffix(f".{os.getpid()}.part"), hashlib.sha256()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out, httpx.stream("GET", address, follow_redirects=True, timeout=60.0) as answer:
            answer.raise_for_status()
            if answer.url.scheme != "https" and not is_loopback(str(answer.url)):
                raise UsageError(
                    f"{address}: leads to {answer.url.scheme}, and only https is fetched", tip="give another address"
                )
            for chunk in answer.iter_bytes():
                seen.update(chunk)
                out.write(chunk)
        if seen.hexdigest() != sha256:
            raise DataError(f"{address}: holds {seen.hexdigest()}, not {sha256}", tip="nothing was kept; look at both")
        part.replace(file)
    except httpx.HTTPError as error:
        raise UsageError(f"{address}: {error}", tip="try again, or give a file") from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}", tip="make room") from None
    finally:
        part.unlink(missing_ok=True)
