"""Endpoints against a server that holds them to each provider's documentation, in good days and bad."""

from __future__ import annotations

import logging
import socket
from random import Random
from typing import Any

import pytest

from git_hone.ci.endpoints import Answer, Endpoint, EndpointError, Look, Weights, connect
from git_hone.learner.variants import Model

PROVIDERS = ("ollama", "openai-compatible", "anthropic")
KEY, MODEL = "sk-test-0123456789abcdef", "coder:7b"
each = pytest.mark.parametrize("provider", PROVIDERS)


def model(provider: Any, endpoint: str, **more: Any) -> Model:
    known = {"id": "m", "model": MODEL, "local": True, "api_key_env": None if provider == "ollama" else "HONE_TEST_KEY"}
    return Model(provider=provider, endpoint=endpoint, **(known | more))


class Asked:
    """An endpoint with a clock of its own for the waits."""

    def __init__(self, provider: str, endpoint: str, **more: Any) -> None:
        self.waits: list[float] = []
        self.endpoint: Endpoint = connect(model(provider, endpoint, **more), sleep=self.waits.append, random=Random(1))

    def ask(self, timeout_s: float = 10.0, **more: Any) -> Answer:
        messages: Any = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Say ready."}]
        return self.endpoint.complete(messages, **({"temperature": 0.2, "max_tokens": 64} | more), timeout_s=timeout_s)

    def fails(self, **more: Any) -> EndpointError:
        with pytest.raises(EndpointError) as caught:
            self.ask(**more)
        assert caught.value.exit_code == 1 and caught.value.__cause__ is None
        return caught.value


@each
def test_an_answer_with_its_tokens(serve: Any, provider: str) -> None:
    at = serve(provider)
    answer = Asked(provider, at.endpoint).ask(stop=["END"])
    assert (answer.text, answer.tokens_in, answer.tokens_out, answer.finish) == ("ready", 11, 3, "stop")
    assert answer.model == MODEL and answer.duration_ms >= 0
    (body,) = at.completions()
    if provider == "ollama":
        assert body["options"] == {"temperature": 0.2, "num_predict": 64, "stop": ["END"]} and body["stream"] is True
    elif provider == "anthropic":
        assert body["system"] == "Be short." and [one["role"] for one in body["messages"]] == ["user"]
    else:
        assert body["max_tokens"] == 64 and body["stop"] == ["END"]


@each
def test_a_temperature_over_one_is_what_the_provider_takes(serve: Any, provider: str) -> None:
    at = serve(provider)
    Asked(provider, at.endpoint).ask(temperature=1.7)
    sent = at.completions()[0]
    assert sent.get("options", sent)["temperature"] == (1.0 if provider == "anthropic" else 1.7)


@each
def test_a_failure_is_tried_again_and_the_wait_is_random(serve: Any, provider: str) -> None:
    at = serve(provider, "flaky")
    asked = Asked(provider, at.endpoint)
    assert asked.ask().text == "ready"
    assert len(at.completions()) == 2 and len(asked.waits) == 1 and 0 <= asked.waits[0] <= 0.5


@each
def test_a_server_that_keeps_failing_is_given_up(serve: Any, provider: str) -> None:
    at = serve(provider, "failing")
    asked = Asked(provider, at.endpoint)
    error = asked.fails()
    assert error.kind == "unreachable" and "(500: the server had an error)" in error.message
    assert len(at.completions()) == 3 and len(asked.waits) == 2


@each
def test_too_many_requests_waits_as_long_as_it_is_told(serve: Any, provider: str) -> None:
    at = serve(provider, "busy")
    asked = Asked(provider, at.endpoint)
    assert asked.ask(timeout_s=60).text == "ready"
    assert asked.waits == [7.0]


@each
def test_a_wait_that_does_not_fit_the_time_is_not_begun(serve: Any, provider: str) -> None:
    at = serve(provider, "busy")
    asked = Asked(provider, at.endpoint)
    assert asked.fails(timeout_s=5).kind == "refused"
    assert asked.waits == [] and len(at.completions()) == 1


@each
def test_a_slow_server(serve: Any, provider: str) -> None:
    at = serve(provider, "slow")
    error = Asked(provider, at.endpoint).fails(timeout_s=0.3)
    assert error.kind == "timeout" and "within" in error.message


@each
def test_nobody_there(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONE_TEST_KEY", KEY)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
        asked = Asked(provider, endpoint)
        error = asked.fails()
    assert error.kind == "unreachable" and endpoint in error.message and error.tip and len(asked.waits) == 2


@each
@pytest.mark.parametrize("mode", ["auth", "echo-key"])
def test_a_refused_key_is_never_shown(serve: Any, provider: str, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    at = serve(provider, mode)
    error = Asked(provider, at.endpoint, api_key_env="HONE_TEST_KEY").fails()
    assert error.kind == "refused" and "(401" in error.message and "HONE_TEST_KEY" in str(error.tip)
    assert KEY not in f"{error.message}{error.tip}{error!r}" and KEY not in caplog.text and "\n" not in error.message
    assert len(at.completions()) == 1


@each
@pytest.mark.parametrize("mode", ["nonsense", "empty"])
def test_an_answer_that_is_none(serve: Any, provider: str, mode: str) -> None:
    at = serve(provider, mode)
    assert Asked(provider, at.endpoint).fails().kind == "nonsense"
    assert len(at.completions()) == 1


@each
def test_an_answer_that_breaks_off(serve: Any, provider: str) -> None:
    at = serve(provider, "truncated")
    assert Asked(provider, at.endpoint).fails().kind == "truncated"
    assert len(at.completions()) == 3


@each
def test_an_error_inside_a_success(serve: Any, provider: str) -> None:
    at = serve(provider, "stream-error")
    error = Asked(provider, at.endpoint).fails()
    assert error.kind == "unreachable" and ("while running the model" in error.message or "fell over" in error.message)


@each
def test_a_model_that_is_not_there(serve: Any, provider: str) -> None:
    at = serve(provider, "missing")
    error = Asked(provider, at.endpoint).fails()
    assert error.kind == "missing" and repr(MODEL) in error.message
    assert len(at.completions()) == 1


@each
def test_an_answer_cut_at_the_limit_says_so(serve: Any, provider: str) -> None:
    assert Asked(provider, serve(provider, "length").endpoint).ask().finish == "length"


@pytest.mark.parametrize("provider", ["openai-compatible", "anthropic"])
def test_a_model_that_declines(serve: Any, provider: str) -> None:
    assert Asked(provider, serve(provider, "declined").endpoint).ask().finish == "declined"


@pytest.mark.parametrize("provider", ["openai-compatible", "anthropic"])
def test_a_model_that_takes_no_temperature(serve: Any, provider: str) -> None:
    at = serve(provider, "no-temperature")
    assert Asked(provider, at.endpoint).ask().text == "ready"
    first, second = at.completions()
    assert first.pop("temperature") == 0.2 and second == first


def test_a_model_that_wants_the_limit_under_its_newer_name(serve: Any) -> None:
    at = serve("openai-compatible", "other-limit")
    assert Asked("openai-compatible", at.endpoint).ask().text == "ready"
    assert at.completions()[1]["max_completion_tokens"] == 64 and "max_tokens" not in at.completions()[1]


@each
def test_a_redirect_is_not_followed(serve: Any, provider: str) -> None:
    at = serve(provider, "moved")
    assert Asked(provider, at.endpoint).fails().kind in ("nonsense", "refused")
    assert len(at.seen) == 1


@each
def test_no_proxy_gets_what_is_meant_for_this_machine(serve: Any, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://192.0.2.1:9")
    assert Asked(provider, serve(provider).endpoint).ask().text == "ready"


@each
@pytest.mark.parametrize("says_local", [True, False])
def test_local_only_fails_closed(provider: str, says_local: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("something was sent")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    asked = Asked(provider, "https://models.example.com/v1", local=says_local)
    assert asked.fails().kind == "local_only"
    with pytest.raises(EndpointError, match="nothing was sent"):
        asked.endpoint.look(1)


@each
def test_a_local_address_that_leads_elsewhere_is_refused_too(serve: Any, provider: str) -> None:
    at = serve(provider)
    assert Asked(provider, at.endpoint, local=False).fails().kind == "local_only"
    assert at.seen == []


@each
@pytest.mark.parametrize("value", ["", "two words", "line\nline", "schlüssel"])
def test_a_key_that_is_none_is_not_sent(serve: Any, provider: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at = serve(provider)
    monkeypatch.setenv("HONE_TEST_KEY", value)
    error = Asked(provider, at.endpoint, api_key_env="HONE_TEST_KEY").fails()
    assert error.kind == "refused" and "HONE_TEST_KEY" in error.message and at.seen == []
    assert not value or value not in error.message


def test_the_library_of_ollama_sends_no_key_of_its_own(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "of-another-server")
    at = serve("ollama")
    Asked("ollama", at.endpoint).ask()
    assert at.authorizations == [None]


def test_ollama_makes_room_for_the_prompt(serve: Any) -> None:
    at = serve("ollama")
    asked = Asked("ollama", at.endpoint, context_length=32768)
    asked.ask()
    asked.endpoint.complete([{"role": "user", "content": "x" * 30_000}], temperature=0, max_tokens=100, timeout_s=10)
    asked.endpoint.complete([{"role": "user", "content": "x" * 300_000}], temperature=0, max_tokens=100, timeout_s=10)
    assert [body["options"]["num_ctx"] for body in at.completions()] == [4096, 16384, 32768]


@pytest.mark.parametrize(
    ("provider", "mode", "expected"),
    [
        ("ollama", "fine", Look("0.34.1", True, 32768)),
        ("ollama", "missing", Look("0.34.1", False, None)),
        ("openai-compatible", "fine", Look(None, True, None)),
        ("openai-compatible", "missing", Look(None, False, None)),
        ("openai-compatible", "listless", Look(None, None, None)),
        ("openai-compatible", "postless", Look(None, None, None)),
        ("anthropic", "fine", Look(None, True, 200000)),
        ("anthropic", "missing", Look(None, False, None)),
    ],
)
def test_what_an_endpoint_says_of_itself(serve: Any, provider: str, mode: str, expected: Look) -> None:
    assert Asked(provider, serve(provider, mode).endpoint).endpoint.look(10) == expected


def test_senseless_arguments() -> None:
    endpoint = Asked("ollama", "http://127.0.0.1:9").endpoint
    with pytest.raises(ValueError, match="at least one message"):
        endpoint.complete([], temperature=0, max_tokens=1, timeout_s=1)


@pytest.mark.parametrize(
    ("digests", "wanted"),
    [
        ({"manifest": "a" * 64, "model": "b" * 64}, ({"model": "b" * 64, "manifest": "a" * 64}, "b" * 64)),
        ({"manifest": "a" * 64, "model": "b" * 64, "adapter": "c" * 64}, ({"adapter": "c" * 64, "manifest": "a" * 64}, "b" * 64)),
        ({"manifest": "a" * 64, "model": "b" * 64, "base": "d" * 64}, ({"model": "b" * 64, "manifest": "a" * 64}, "d" * 64)),
        ({"manifest": "a" * 64}, ({}, None)),
        ({"manifest": "sha256:" + "a" * 64, "model": "b" * 64}, ({"model": "b" * 64, "manifest": "a" * 64}, "b" * 64)),
        ({"manifest": "unknown", "model": "b" * 64}, ({"model": "b" * 64}, "b" * 64)),
    ],
    ids=["whole", "adapter", "merged", "in the cloud", "prefixed", "no manifest"],
)
def test_ollama_says_which_weights_it_serves(serve: Any, digests: dict[str, str], wanted: Any) -> None:
    at = serve("ollama")
    at.digests = digests
    assert Asked("ollama", at.endpoint).endpoint.weights(10) == Weights(*wanted)


def test_other_servers_say_nothing_of_their_weights(serve: Any) -> None:
    at = serve("openai-compatible")
    assert Asked("openai-compatible", at.endpoint).endpoint.weights(10) == Weights()
    assert at.seen == []


@pytest.mark.parametrize(
    ("mode", "kind"), [("missing", "missing"), ("nonsense", "nonsense"), ("failing", "unreachable"), ("moved", "nonsense")]
)
def test_weights_that_cannot_be_asked_for_are_an_error(serve: Any, mode: Any, kind: str) -> None:
    with pytest.raises(EndpointError) as raised:
        Asked("ollama", serve("ollama", mode).endpoint).endpoint.weights(10)
    assert raised.value.kind == kind
