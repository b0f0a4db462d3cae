"""The three ways to serve an adapter behind one interface, chosen by asking the server what it takes.

llama.cpp                 the base and the adapter are files that it has loaded; a request moves the weight of each adapter
Ollama before 0.34.1      `POST /api/create` with the base and the adapter
Ollama from 0.34.1        refuses adapters: the merged model is sent as one file
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

from git_hone.ci.deploying.asking import Server
from git_hone.ci.deploying.recipe import Recipe
from git_hone.ci.digests import file_sha256
from git_hone.ci.endpoints.base import EndpointError
from git_hone.learner.errors import UsageError

if TYPE_CHECKING:
    from git_hone.learner.variants import Provider

Kind = Literal["llama.cpp", "ollama-adapter", "ollama-merged"]
ACCEPTS: Final = (0, 34, 0)
REFUSES: Final = (0, 34, 1)
"""Ollama's versions: adapters are taken before the first, and refused from the second on. Between them it is asked."""
FOUND: Final = "before-git-hone"
"""The tag of a model that had our name before anything was deployed."""


class Weights(NamedTuple):
    """file: what is served, an adapter or a merged model. base: the model below an adapter; base_name: its name on the server, perhaps."""

    file: Path
    sha256: str
    base: Path
    base_name: str
    base_sha256: str


class Target(Protocol):
    """A server that models can be deployed to. merged: whether it takes only whole models."""

    kind: Kind
    address: str
    merged: bool

    @property
    def provider(self) -> Provider: ...
    @property
    def endpoint(self) -> str: ...
    def put(self, name: str, tag: str, weights: Weights, how: Recipe) -> Recipe:
        """Make it ready beside what is served, which goes on as it is. Returns the recipe with the template that was used."""

    def has(self, name: str) -> bool:
        """Whether something is served as `name`."""

    def keep(self, name: str, other: str) -> None:
        """Keep what is served as `name` as `other` too."""

    def switch(self, name: str, tag: str, file: Path | None) -> None:
        """Serve from now on as `name` what was put as `tag`. Raises EndpointError where it is not there any more."""

    def remove(self, name: str) -> None:
        """Serve nothing as `name` any more."""


def connect(address: str, *, local_only: bool) -> Target:
    """Ask the server who it is and what it takes. Raises EndpointError when nobody answers, or nobody that is known."""
    server = Server(address, local_only=local_only)
    told = server.json("GET", "/api/version")
    if isinstance(told, dict) and isinstance(told.get("version"), str):
        return Ollama(server, takes_adapters(server, told["version"]))
    if isinstance(server.json("GET", "/lora-adapters"), list):
        return LlamaCpp(server)
    raise EndpointError(
        "nonsense", f"{server.address} is neither Ollama nor llama.cpp's server", tip="name the server with --server"
    )


def takes_adapters(server: Server, version: str) -> bool:
    """Whether this Ollama takes adapters: by its version, else by asking for a model of an adapter and nothing else, which none makes."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    parts = tuple(map(int, match.groups())) if match else (0, 0, 0)
    if parts >= REFUSES:
        return False
    if (0, 0, 0) < parts < ACCEPTS:
        return True
    body = {"model": "git-hone-probe", "adapters": {"adapter.gguf": f"sha256:{'0' * 64}"}, "stream": False}
    try:
        server.ask("POST", "/api/create", body)
    except EndpointError as error:
        return "no longer supported" not in error.message
    return True


class Ollama:
    """Each deployment is a tag of its own, NAME:TAG; what is served is the plain name, a copy of one of them."""

    provider: Provider = "ollama"

    def __init__(self, server: Server, adapters: bool) -> None:
        self._server, self.address, self.merged = server, server.address, not adapters
        self.kind: Kind = "ollama-adapter" if adapters else "ollama-merged"

    @property
    def endpoint(self) -> str:
        return self.address

    def put(self, name: str, tag: str, weights: Weights, how: Recipe) -> Recipe:
        known = self._server.json("POST", "/api/show", {"model": weights.base_name})
        same = isinstance(known, dict) and f"sha256-{weights.base_sha256}" in str(known.get("modelfile", ""))
        if same and known.get("template"):
            how = how._replace(template=str(known["template"]))
        body: dict[str, Any] = {
            "model": f"{name}:{tag}",
            "system": how.system,
            "parameters": dict(how.parameters),
            "stream": True,
        }
        body |= {"template": how.template} if how.template else {}
        if self.merged:
            body |= {"files": {"model.gguf": self._blob(weights.file, weights.sha256)}}
        else:
            body |= (
                {"from": weights.base_name} if same else {"files": {"base.gguf": self._blob(weights.base, weights.base_sha256)}}
            )
            body |= {"adapters": {"adapter.gguf": self._blob(weights.file, weights.sha256)}}
        last = None
        for told in self._server.lines("/api/create", body):
            last = told.get("status")
        if last != "success":
            raise self._server.truncated()
        if not self.has(f"{name}:{tag}"):
            raise self._server.nonsense(f"it says that {name}:{tag} was made, and does not list it")
        return how

    def has(self, name: str) -> bool:
        told = self._server.json("GET", "/api/tags")
        models = told.get("models") if isinstance(told, dict) else None
        if not isinstance(models, list):
            raise self._server.nonsense("no list of models")
        return _tagged(name) in {_tagged(str(one.get("name"))) for one in models if isinstance(one, dict)}

    def keep(self, name: str, other: str) -> None:
        if self._server.ask("POST", "/api/copy", {"source": name, "destination": other}).status_code == 404:
            raise EndpointError("missing", f"{self.address} has no model {name} any more", tip="deploy it again")

    def switch(self, name: str, tag: str, file: Path | None) -> None:
        self.keep(f"{name}:{tag}", name)

    def remove(self, name: str) -> None:
        self._server.ask("DELETE", "/api/delete", {"model": name})

    def _blob(self, file: Path, sha256: str) -> str:
        """Send a file unless the server has it; its digest."""
        digest = f"sha256:{sha256}"
        if self._server.ask("HEAD", f"/api/blobs/{digest}").status_code == 404:
            try:
                with file.open("rb") as content:
                    self._server.ask("POST", f"/api/blobs/{digest}", content=content)
            except OSError as error:
                raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
        return digest


class LlamaCpp:
    """`llama-server`, which loads its adapters when it starts; what is served is the one whose scale is 1."""

    provider: Provider = "openai-compatible"
    kind: Kind = "llama.cpp"
    merged = False

    def __init__(self, server: Server) -> None:
        self._server, self.address = server, server.address

    @property
    def endpoint(self) -> str:
        return f"{self.address}/v1"

    def put(self, name: str, tag: str, weights: Weights, how: Recipe) -> Recipe:
        told = self._server.json("GET", "/props")
        model = Path(str(told.get("model_path", ""))) if isinstance(told, dict) else Path()
        if not model.is_file() or (model.resolve() != weights.base.resolve() and file_sha256(model) != weights.base_sha256):
            raise UsageError(f"{self.address} serves {model}, not the base of this adapter", tip=_start(weights))
        if self._of(weights.file) is None:
            raise UsageError(f"{self.address} was started without this adapter", tip=_start(weights))
        return how

    def has(self, name: str) -> bool:
        return False

    def keep(self, name: str, other: str) -> None:
        pass

    def switch(self, name: str, tag: str, file: Path | None) -> None:
        own = self._of(file) if file else None
        if file and own is None:
            raise EndpointError("missing", f"{self.address} has not loaded {file}", tip=f"restart it with --lora {file}")
        self._scales(own)

    def remove(self, name: str) -> None:
        self._scales(None)

    def _scales(self, own: int | None) -> None:
        scales = [{"id": one["id"], "scale": 1.0 if one["id"] == own else 0.0} for one in self._loaded()]
        self._server.ask("POST", "/lora-adapters", scales)

    def _loaded(self) -> list[dict[str, Any]]:
        told = self._server.json("GET", "/lora-adapters")
        if not isinstance(told, list) or not all(isinstance(one, dict) and {"id", "path"} <= one.keys() for one in told):
            raise self._server.nonsense("no list of adapters")
        return told

    def _of(self, file: Path) -> int | None:
        return next((int(one["id"]) for one in self._loaded() if Path(str(one["path"])).resolve() == file.resolve()), None)


def _start(weights: Weights) -> str:
    return f"llama-server --model {weights.base} --lora {weights.file} --lora-init-without-apply"


def _tagged(name: str) -> str:
    return name if ":" in name else f"{name}:latest"
