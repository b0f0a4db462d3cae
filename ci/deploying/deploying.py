"""`git hone deploy` and `git hone rollback` as jobs: each step a line of the ledger, and the incumbent in place until the last one.

A deployment is made ready beside what is served. Then the pointer moves: on the server, in `champions.json`, and in the model variants. When
that cannot be finished, the server is led back. A process that is killed in between leaves `moving`; the next call leads back first.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final, NamedTuple

from git_hone.ci import promotions
from git_hone.ci.deploying import candidates, champions, recipe, targets
from git_hone.ci.deploying.champions import Role
from git_hone.ci.deploying.targets import FOUND, Target
from git_hone.ci.digests import file_sha256
from git_hone.ci.training import publishing
from git_hone.hooks.lock import locked, variants_alone
from git_hone.hooks.place import Place
from git_hone.learner import config as configuration
from git_hone.learner import ledger, lineage, variants
from git_hone.learner.errors import ConfigError, HoneError, UsageError

INSTALLED: Final = publishing.GGUF
BACKUP: Final = "adapter.backup.gguf"
BACKUP_LINEAGE: Final = "lineage.backup.json"
MODELFILE: Final = "Modelfile"


class Asked(NamedTuple):
    """adapter: its folder, None for the newest. base: a GGUF file or a model of Ollama's store, None for `autoTrain.baseModel`. canary: the
    share of requests to send to it beside the champion, None to make it the champion. force: without the gate."""

    role: str
    adapter: Path | None = None
    base: str | None = None
    server: str = variants.ENDPOINTS["ollama"]
    canary: float | None = None
    force: bool = False


class Done(NamedTuple):
    """name: of the model that is asked. id: of the deployment that serves it now, None when none does. before: the one before."""

    name: str
    id: str | None
    before: str | None
    target: str
    file: Path | None = None


def prepare(place: Place, asked: Asked) -> tuple[candidates.Candidate, Target, Path, configuration.Config]:
    """The candidate, the server, and the very file that it would serve. Changes nothing but that a merged model may be written."""
    settings = configuration.load(place.agent / "learning-config.json")
    found = candidates.find(place.agent, asked.role, asked.adapter, asked.base or str(settings["autoTrain.baseModel"]))
    target = targets.connect(asked.server, local_only=bool(settings["privacy.local_only"]))
    return (
        found,
        target,
        candidates.merged(found, str(settings["autoDeploy.mergeType"])) if target.merged else found.gguf,
        settings,
    )


def deploy(place: Place, asked: Asked) -> Done:
    """Serve an adapter. Raises NotPromoted without the gate's word, EndpointError when the server does not do it; then all is as before."""
    found, target, file, settings = prepare(place, asked)
    if asked.canary is not None and target.kind == "llama.cpp":
        raise UsageError("llama.cpp's server serves one adapter to all", tip="leave out --canary, or deploy to Ollama")
    sha256 = file_sha256(file)
    line = None if asked.force else candidates.permitted(place.agent, file, sha256, found)
    name = f"{settings['autoDeploy.modelNamePrefix']}-{asked.role}"
    with _alone(place):
        roles = champions.load(place.agent)
        role = roles.setdefault(asked.role, Role())
        _recover(place, roles, asked.role, name, target)
        if role.champion == found.id and asked.canary is None and target.has(f"{name}:{found.id}"):
            return Done(name, found.id, role.before[-1] if role.before else None, target.kind, file)
        weights = targets.Weights(file, sha256, Path(found.base.at), found.base.name, str(found.base.sha256))
        how = target.put(name, found.id, weights, recipe.of(settings, asked.role))
        _log(
            place,
            "create",
            asked.role,
            role.champion,
            found.id,
            {"target": target.kind, "file_sha256": sha256, "forced": asked.force},
        )
        role.deployments[found.id] = _entry(target, found.context_length) | {
            "adapter": _inside(found.folder, place), "file": _inside(file, place), "file_sha256": sha256,
            "base_sha256": found.base.sha256, "forced": asked.force,
            "gate": None if line is None else {key: line.get(key) for key in ("at", "candidate_hash", "suite_hash", "look")},
        }  # fmt: skip
        if asked.canary is not None:
            return _canary(place, roles, asked, name, found.id, target)
        if role.champion is None and target.has(name):
            target.keep(name, f"{name}:{FOUND}")
            role.deployments[FOUND], role.champion = _entry(target, None), FOUND
        before = role.champion
        _backup(place, asked.role, target, name)
        _move(place, roles, asked.role, target, name, found.id, [*role.before, before])
        if role.challenger and role.challenger["id"] == found.id:
            _drop_challenger(place, role, target, name)
            champions.save(place.agent, roles)
        _log(place, "deploy", asked.role, before, found.id, {"server": target.address, "model": name})
        _modelfile(place, asked.role, target, found, file, how)
        return Done(name, found.id, before, target.kind, file)


def rollback(place: Place, role_name: str) -> Done:
    """Move the pointer one back: drop the challenger where there is one, else serve what was served before. Raises UsageError where nothing
    was deployed, EndpointError when the server does not do it; then all is as before."""
    settings = configuration.load(place.agent / "learning-config.json")
    name = f"{settings['autoDeploy.modelNamePrefix']}-{role_name}"
    with _alone(place):
        roles = champions.load(place.agent)
        role = roles.get(role_name, Role())
        current = role.challenger["id"] if role.challenger else role.champion
        if current is None or current == FOUND:
            raise UsageError(f"nothing is deployed for {role_name}", tip="`git hone adapters` lists what there is")
        to = role.before[-1] if role.before and not role.challenger else None
        address = str(role.deployments[to or current]["server"])
        target = targets.connect(address, local_only=bool(settings["privacy.local_only"]))
        _recover(place, roles, role_name, name, target)
        if role.challenger:
            _drop_challenger(place, role, target, name)
            champions.save(place.agent, roles)
            _log(place, "rollback", role_name, current, role.champion, {"pointer": "challenger"})
            return Done(name, role.champion, current, target.kind)
        _move(place, roles, role_name, target, name, to, role.before[:-1])
        _log(place, "rollback", role_name, current, to, {"pointer": "champion"})
        return Done(name, to, current, target.kind)


def _entry(target: Target, context_length: int | None) -> dict[str, Any]:
    return {
        "adapter": None, "file": None, "target": target.kind, "server": target.address, "provider": target.provider,
        "endpoint": target.endpoint, "context_length": context_length,
    }  # fmt: skip


def _move(
    place: Place, roles: dict[str, Role], role_name: str, target: Target, name: str, to: str | None, before: list[str | None]
) -> None:
    """Make `to` the champion: on the server, among the variants, in the file. All of it or nothing."""
    role = roles[role_name]
    kept = role.champion, role.before
    role.moving = True
    champions.save(place.agent, roles)
    try:
        _serve(place, role_name, role, target, name, to)
        role.champion, role.before, role.moving = to, before, False
        champions.save(place.agent, roles)
    except BaseException:
        (role.champion, role.before), role.moving = kept, True
        _recover(place, roles, role_name, name, target)
        raise


def _serve(place: Place, role_name: str, role: Role, target: Target, name: str, id_: str | None) -> None:
    """Let server, variants and the installed adapter be those of a deployment; of none, for None."""
    entry = role.deployments[id_] if id_ is not None else {}
    if id_ is None or entry["server"] != target.address:
        target.remove(name)
    else:
        target.switch(name, id_, place.agent.parent / entry["file"] if entry["file"] else None)
    _set_variant(place, name, _variant(role_name, name, id_, entry) if id_ is not None else None)
    _install(place, role_name, entry.get("adapter"))


def _variant(role_name: str, name: str, id_: str, entry: dict[str, Any]) -> variants.Model:
    return variants.Model(
        name, entry["provider"], entry["endpoint"], name, f"{role_name}, adapter {id_}", context_length=entry["context_length"],
        local=variants.is_loopback(entry["endpoint"]),
    )  # fmt: skip


def _recover(place: Place, roles: dict[str, Role], role_name: str, name: str, target: Target) -> None:
    """A move was broken off: serve what the file says, before anything else."""
    role = roles.get(role_name)
    if role is None or not role.moving:
        return
    _serve(place, role_name, role, target, name, role.champion)
    role.moving = False
    champions.save(place.agent, roles)
    _log(place, "undone", role_name, None, role.champion, {"why": "the champion could not be changed"})


def _canary(place: Place, roles: dict[str, Role], asked: Asked, name: str, id_: str, target: Target) -> Done:
    role, other = roles[asked.role], f"{name}-challenger"
    others = sum(float(one.challenger["share"]) for key, one in roles.items() if one.challenger and key != asked.role)
    if asked.canary is not None and others + asked.canary >= 1:
        raise UsageError(f"the challengers of other roles have {others:.0%} of the decisions already", tip="a smaller --canary")
    if role.champion == id_:
        raise UsageError(f"{id_} is the champion of {asked.role} already", tip="leave out --canary")
    target.keep(f"{name}:{id_}", other)
    _set_variant(place, other, _variant(asked.role, other, id_, role.deployments[id_]))
    since = datetime.now(timezone.utc).isoformat(timespec="seconds")
    role.challenger = {"id": id_, "share": asked.canary, "model": other, "beside": name, "since": since}
    champions.save(place.agent, roles)
    _log(place, "canary", asked.role, role.champion, id_, {"share": asked.canary, "model": other})
    return Done(other, id_, role.champion, target.kind)


def _drop_challenger(place: Place, role: Role, target: Target, name: str) -> None:
    target.remove(f"{name}-challenger")
    _set_variant(place, f"{name}-challenger", None)
    role.challenger = None


def _set_variant(place: Place, id_: str, model: variants.Model | None) -> None:
    """Put a model in the place of the one with this id, or behind the others; None takes it out."""
    with variants_alone(place):
        known = variants.load_models(place.agent)
        if model is None:
            left = [one for one in known if one.id != id_]
            if len(left) < len(known):
                variants.save(place.agent, left or variants.default_models())
        elif any(one.id == id_ for one in known):
            variants.save(place.agent, [model if one.id == id_ else one for one in known])
        else:
            variants.add(place.agent, model)


def _backup(place: Place, role: str, target: Target, name: str) -> None:
    """Keep the predecessor: its adapter beside the installed one, and its model on the server under a name of its own."""
    home = place.agent / "lora" / role
    if (home / INSTALLED).is_file():
        _copy(home / INSTALLED, home / BACKUP)
        if (home / lineage.FILE).is_file():
            _copy(home / lineage.FILE, home / BACKUP_LINEAGE)
        _log(place, "backup", role, None, None, {"file": _inside(home / BACKUP, place), "sha256": file_sha256(home / BACKUP)})
    if target.has(name):
        target.keep(name, f"{name}-champion")
        _log(place, "backup", role, None, None, {"model": f"{name}-champion"})


def _install(place: Place, role: str, adapter: str | None) -> None:
    """`.agent/lora/ROLE/adapter.gguf` is the champion's, for whoever serves it without asking us. None: nobody's."""
    home = place.agent / "lora" / role
    if adapter is None:
        (home / INSTALLED).unlink(missing_ok=True)
        (home / lineage.FILE).unlink(missing_ok=True)
        return
    folder = place.agent.parent / adapter
    root = folder if (folder / lineage.FILE).is_file() else folder.parent.parent
    for source in (folder / publishing.GGUF, root / lineage.FILE):
        _copy(source, home / source.name)


def _copy(source: Path, target: Path) -> None:
    part = target.with_name(f".tmp-{target.name}")
    try:
        shutil.copyfile(source, part)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ConfigError(f"{target}: cannot be written: {error.strerror}", tip="free space or fix the rights") from None


def _modelfile(place: Place, role: str, target: Target, of: candidates.Candidate, file: Path, how: recipe.Recipe) -> None:
    """`.agent/Modelfile.ROLE`: what was asked of the server, for `ollama create` by hand."""
    start, adapter = (str(file), None) if target.merged else (of.base.at, str(file))
    text = recipe.modelfile(start, adapter, how)
    try:
        ledger.replace(place.agent / f"{MODELFILE}.{role}", text.encode())
    except OSError as error:
        raise ConfigError(
            f"{MODELFILE}.{role}: cannot be written: {error.strerror}", tip="the model is served all the same"
        ) from None


def _inside(path: Path, place: Place) -> str:
    root = place.agent.parent.resolve()
    whole = path.resolve()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else str(whole)


def _log(place: Place, what: str, role: str, from_: str | None, to: str | None, more: dict[str, Any]) -> None:
    try:
        promotions.record(place.agent, {"what": what, "role": role, "from": from_, "to": to, **more}, datetime.now(timezone.utc))
    except OSError as error:
        raise ConfigError(
            f"{place.agent / ledger.FILE}: cannot be written: {error.strerror}", tip="no step goes unsaid"
        ) from None


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    home = place.agent / "lora"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HoneError(f"{home}: cannot be written: {error.strerror}") from None
    with locked(home / ".deploying") as got:
        if not got:
            raise UsageError("another deployment runs in this repository", tip="wait for it")
        yield
