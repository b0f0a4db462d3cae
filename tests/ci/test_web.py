"""Pages from a server of ours: allowed or not, cached, redirected, broken; and the seeds' `fetchWebKnowledge`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from git_hone.ci import LearningPipeline
from git_hone.ci.web import LARGEST, Web, WebError, for_prompt
from git_hone.hooks.install import setup
from git_hone.hooks.place import Place, find
from git_hone.learner.errors import UsageError
from git_hone.learner.store import Store
from git_hone.learner.store.sqlite import export_sqlite

HOOKS = "<title>useState</title><nav><p>Menu</p></nav><p>useState adds <b>state</b>.</p><p>Second.</p><p>Third.</p><p>Fourth.</p>"
INDEX = """<title>Reference</title><p>Start here.</p><a href="/hooks/useState">useState</a> <a href="hooks/useEffect">effects</a>
<a href="https://elsewhere.example/useState">useState elsewhere</a> <a href="/gone/useState">old useState</a> <a href="http://[">bad</a>"""


class Site:
    """What the server answers: path -> (status, headers, body). seen: the paths that were asked for."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.address = ""

    def put(
        self, path: str, body: str | bytes, status: int = 200, kind: str = "text/html; charset=utf-8", **headers: str
    ) -> None:
        raw = body.encode() if isinstance(body, str) else body
        self.pages[path] = status, {"Content-Type": kind} | headers, raw


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.seen.append(self.path)
            status, headers, body = made.pages.get(self.path, (404, {"Content-Type": "text/html"}, b"gone"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.address = f"http://127.0.0.1:{server.server_address[1]}"
    made.put("/", INDEX)
    made.put("/hooks/useState", HOOKS)
    made.put("/hooks/useEffect", "<title>useEffect</title><p>Effects.</p>")
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def place(repo: Callable[..., Any]) -> Place:
    top = repo()
    setup.install(find(top.path), ())
    configure(find(top.path))
    return find(top.path)


def configure(place: Place, *domains: str, local_only: bool = False, days: float = 30) -> None:
    body = {
        "privacy": {"local_only": local_only},
        "web": {"allowed_domains": list(domains) or ["127.0.0.1"], "max_age_days": days},
    }
    (place.agent / "learning-config.json").write_text(json.dumps(body))


def test_a_page_is_fetched_once_summarised_and_on_record(place: Place, site: Site) -> None:
    page = Web(place).page(f"{site.address}/hooks/useState#usage")
    assert (page.title, page.summary, page.cached) == ("useState", "useState adds state.\n\nSecond.\n\nThird.", False)
    again = Web(place).page(f"{site.address}/hooks/useState")
    assert again._replace(cached=False, fetched_at=page.fetched_at) == page and again.cached
    assert site.seen == ["/hooks/useState"]
    (row,) = Store(place.data).rows("web_cache")
    assert (row["url"], row["html"]) == (f"{site.address}/hooks/useState", HOOKS)
    target = place.top / "all.sqlite" if place.top else Path("all.sqlite")
    assert export_sqlite(Store(place.data), target)["web_cache"] == 1


def test_local_only_is_the_default_and_nothing_is_fetched(place: Place, site: Site) -> None:
    (place.agent / "learning-config.json").write_text(json.dumps({"web": {"allowed_domains": ["127.0.0.1"]}}))
    with pytest.raises(UsageError, match=r"privacy\.local_only is on"):
        Web(place).page(f"{site.address}/hooks/useState")
    assert site.seen == []
    configure(place)
    Web(place).page(f"{site.address}/hooks/useState")
    configure(place, local_only=True, days=0)
    assert Web(place).page(f"{site.address}/hooks/useState").cached
    assert len(site.seen) == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://evil.example/x", "not in web.allowed_domains"),
        ("https://react.dev.evil.example/", "not in web.allowed_domains"),
        ("https://xreact.dev/", "not in web.allowed_domains"),
        ("http://react.dev/", "only https"),
        ("file:///etc/passwd", "only https"),
        ("https://me:key@react.dev/", "a name or a password"),
        ("https://[::1", "not an address"),
        ("https://react.dev:99999/", "not an address"),
        ("", "only https"),
    ],
)
def test_what_is_not_allowed_is_not_fetched(place: Place, url: str, says: str) -> None:
    configure(place, "react.dev", "*.docs.example")
    with pytest.raises(UsageError, match=says):
        Web(place).page(url)


def test_a_star_stands_for_the_hosts_below(place: Place) -> None:
    configure(place, "*.docs.example")
    assert Web(place)._allowed("https://API.docs.example/x#y") == "https://api.docs.example/x"
    with pytest.raises(UsageError):
        Web(place)._allowed("https://docs.example/")


def test_a_redirect_is_held_to_the_same_rule(place: Place, site: Site) -> None:
    site.put("/old", "", 302, Location="/hooks/useState")
    site.put("/out", "", 302, Location="https://evil.example/")
    site.put("/loop", "", 302, Location="/loop")
    assert Web(place).page(f"{site.address}/old").title == "useState"
    with pytest.raises(UsageError, match=r"evil\.example is not in"):
        Web(place).page(f"{site.address}/out")
    with pytest.raises(WebError, match="redirects"):
        Web(place).page(f"{site.address}/loop")


@pytest.mark.parametrize(
    ("put", "says"),
    [
        ({"body": "x", "status": 500}, "answers 500"),
        ({"body": b"\x00" * 10, "kind": "image/png"}, "image/png, not a page of text"),
        ({"body": b"x" * (LARGEST + 1)}, "more than 2 MB"),
    ],
)
def test_what_is_no_page_is_refused_and_not_kept(place: Place, site: Site, put: dict[str, Any], says: str) -> None:
    site.put("/bad", **put)
    with pytest.raises(WebError, match=says):
        Web(place).page(f"{site.address}/bad")
    assert Store(place.data).rows("web_cache") == []


def test_a_server_that_is_gone_is_said_and_a_stale_page_is_given_as_it_was(place: Place, site: Site) -> None:
    with pytest.raises(WebError, match="cannot be fetched"):
        Web(place).page("http://127.0.0.1:9/")
    old = datetime.now(timezone.utc) - timedelta(days=40)
    url = f"{site.address}/vanished"
    row = {"record_id": "w", "recorded_at": old, "url": url, "location": url, "html": "<p>As it was.</p>", "fetched_at": old}
    Store(place.data).append("web_cache", [row])
    page = Web(place).page(url)
    assert (page.summary, page.cached, site.seen) == ("As it was.", True, ["/vanished"])
    site.put("/vanished", "<p>As it is.</p>")
    assert Web(place).page(url).summary == "As it is."


def test_web_knowledge_as_the_seeds_ask_for_it(place: Place, site: Site) -> None:
    with LearningPipeline(place.cwd) as learning:
        assert learning.fetchWebKnowledge({"name": "x"}, "useState", site.address) == "" and site.seen == []
        said = learning.fetchWebKnowledge({"web": "on"}, "how to use useState", site.address)
        assert f"useState ({site.address}/hooks/useState, as of " in said and "> useState adds state." in said
        assert "no instruction" in said and "elsewhere" not in said
        assert learning.fetch_web_knowledge({"web": True}, "colours", site.address) == ""
        with pytest.raises(UsageError, match="no library that is known"):
            learning.fetchWebKnowledge({"web": True}, "x", "nothing")
    assert for_prompt([]) == ""
