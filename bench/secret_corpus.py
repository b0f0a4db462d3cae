"""How many planted secrets the redactor removes, and how many look-alikes it leaves alone.

    python -m bench.secret_corpus [--half grade|tune]

Every secret is drawn at run time, from what the services say of their formats, not from the redactor's own table; none stands
in the repository. The half that tunes and the half that grades have other seeds and other contexts. Public code is measured
by `bench.redaction`.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import string
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

Draw = Callable[[random.Random], str]
ALNUM, HEX, UPPER = string.ascii_letters + string.digits, "0123456789abcdef", string.ascii_uppercase + string.digits
URLSAFE, B64, LOWER = ALNUM + "-_", ALNUM + "+/", string.ascii_lowercase + string.digits


class Planted(NamedTuple):
    """A text with a secret (or a look-alike) in it. kind: of what; needle: the characters that must go (or stay)."""

    kind: str
    context: str
    text: str
    needle: str


def of(alphabet: str, n: int) -> Draw:
    """n characters, each drawn alone; at least one digit, where there are any, as real tokens of this length have."""

    def draw(lot: random.Random) -> str:
        while True:
            found = "".join(lot.choice(alphabet) for _ in range(n))
            if n < 14 or not set(alphabet) & set(string.digits) or set(found) & set(string.digits):
                return found

    return draw


def parts(*given: str | Draw) -> Draw:
    return lambda lot: "".join(part if isinstance(part, str) else part(lot) for part in given)


def b64(n: int) -> Draw:
    return lambda lot: base64.b64encode(lot.randbytes(n)).decode()


def some_uuid(lot: random.Random) -> str:
    return str(uuid.UUID(bytes=lot.randbytes(16), version=4))


def jwt(lot: random.Random) -> str:
    def part(body: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=")

    head = part({"alg": "HS256", "typ": "JWT"})
    return f"{head}.{part({'sub': str(lot.randrange(10**9)), 'iat': lot.randrange(10**9)})}.{of(URLSAFE, 43)(lot)}"


def pem(name: str) -> Draw:
    def draw(lot: random.Random) -> str:
        rows = "\n".join(of(B64, 64)(lot) for _ in range(lot.randrange(6, 12)))
        return f"-----BEGIN {name}-----\n{rows}\n-----END {name}-----"

    return draw


def made_up(lot: random.Random) -> str:
    """A password as a password manager makes it."""
    return of(ALNUM + "!#%^*_+-", 18)(lot)


PEM = " PRIVATE" + " KEY"
SECRETS: dict[str, tuple[str, Draw]] = {
    # kind: (the name that it is stored under, how it is drawn)
    "aws access key": ("AWS_ACCESS_KEY_ID", parts("AKIA", of(string.ascii_uppercase + "234567", 16))),
    "aws secret key": ("AWS_SECRET_ACCESS_KEY", of(B64, 40)),
    "github classic": ("GITHUB_TOKEN", parts("ghp_", of(ALNUM, 36))),
    "github app": ("GH_TOKEN", parts("ghs_", of(ALNUM, 36))),
    "github fine-grained": ("GH_PAT", parts("github_pat_", of(ALNUM, 22), "_", of(ALNUM, 59))),
    "gitlab": ("GITLAB_TOKEN", parts("glpat-", of(URLSAFE, 20))),
    "anthropic": ("ANTHROPIC_API_KEY", parts("sk-ant-api03-", of(URLSAFE, 93), "AA")),
    "openai project": ("OPENAI_API_KEY", parts("sk-proj-", of(URLSAFE, 74), "T3BlbkFJ", of(URLSAFE, 74))),
    "openai old": ("OPENAI_KEY", parts("sk-", of(ALNUM, 20), "T3BlbkFJ", of(ALNUM, 20))),
    "google api": ("GOOGLE_API_KEY", parts("AIza", of(URLSAFE, 35))),
    "google oauth": ("GOOGLE_CLIENT_SECRET", parts("GOCSPX-", of(URLSAFE, 28))),
    "slack bot": ("SLACK_BOT_TOKEN", parts("xoxb-", of(string.digits, 12), "-", of(string.digits, 12), "-", of(ALNUM, 24))),
    "slack webhook": ("SLACK_URL", parts("https://hooks.slack.com/services/T", of(UPPER, 10), "/B", of(UPPER, 10), "/", of(ALNUM, 24))),
    "discord bot": ("DISCORD_TOKEN", parts("MT", of(ALNUM, 24), ".G", of(ALNUM, 5), ".", of(URLSAFE, 38))),
    "discord webhook": ("HOOK_URL", parts("https://discord.com/api/webhooks/", of(string.digits, 19), "/", of(URLSAFE, 68))),
    "stripe live": ("STRIPE_SECRET_KEY", parts("sk_live_", of(ALNUM, 24))),
    "stripe webhook": ("STRIPE_WEBHOOK", parts("whsec_", of(ALNUM, 32))),
    "twilio": ("TWILIO_KEY", parts("SK", of(HEX, 32))),
    "sendgrid": ("SENDGRID_KEY", parts("SG.", of(URLSAFE, 22), ".", of(URLSAFE, 43))),
    "mailgun": ("MAILGUN_KEY", parts("key-", of(HEX, 32))),
    "mailchimp": ("MAILCHIMP_KEY", parts(of(HEX, 32), "-us", of("123456789", 2))),
    "npm": ("NPM_TOKEN", parts("npm_", of(ALNUM, 36))),
    "pypi": ("TWINE_PASSWORD", parts("pypi-AgEIcHlwaS5vcmc", of(URLSAFE, 150))),
    "rubygems": ("GEM_HOST_API_KEY", parts("rubygems_", of(HEX, 48))),
    "crates.io": ("CARGO_REGISTRY_TOKEN", parts("cio", of(ALNUM, 32))),
    "hugging face": ("HF_TOKEN", parts("hf_", of(string.ascii_letters, 34))),
    "groq": ("GROQ_API_KEY", parts("gsk_", of(ALNUM, 52))),
    "replicate": ("REPLICATE_API_TOKEN", parts("r8_", of(ALNUM, 37))),
    "databricks": ("DATABRICKS_TOKEN", parts("dapi", of(HEX, 32))),
    "digitalocean": ("DO_TOKEN", parts("dop_v1_", of(HEX, 64))),
    "heroku": ("HEROKU_API_KEY", some_uuid),
    "vault": ("VAULT_TOKEN", parts("hvs.", of(URLSAFE, 90))),
    "terraform": ("TFE_TOKEN", parts(of(ALNUM, 14), ".atlasv1.", of(URLSAFE, 67))),
    "doppler": ("DOPPLER_TOKEN", parts("dp.pt.", of(ALNUM, 43))),
    "planetscale": ("PSCALE_PASSWORD", parts("pscale_pw_", of(URLSAFE, 43))),
    "supabase": ("SUPABASE_ACCESS_TOKEN", parts("sbp_", of(HEX, 40))),
    "linear": ("LINEAR_API_KEY", parts("lin_api_", of(ALNUM, 40))),
    "notion": ("NOTION_TOKEN", parts("ntn_", of(ALNUM, 46))),
    "atlassian": ("JIRA_TOKEN", parts("ATATT3xFfGF0", of(URLSAFE, 171), "=", of("0123456789ABCDEF", 8))),
    "figma": ("FIGMA_TOKEN", parts("figd_", of(URLSAFE, 40))),
    "postman": ("POSTMAN_KEY", parts("PMAK-", of(HEX, 24), "-", of(HEX, 34))),
    "new relic": ("NEW_RELIC_KEY", parts("NRAK-", of(UPPER, 27))),
    "grafana": ("GRAFANA_TOKEN", parts("glsa_", of(ALNUM, 32), "_", of(HEX, 8))),
    "shopify": ("SHOPIFY_TOKEN", parts("shpat_", of(HEX, 32))),
    "square": ("SQUARE_TOKEN", parts("sq0csp-", of(URLSAFE, 43))),
    "telegram": ("BOT_TOKEN", parts(of("123456789", 10), ":AA", of(URLSAFE, 33))),
    "docker hub": ("DOCKER_PAT", parts("dckr_pat_", of(URLSAFE, 27))),
    "age": ("AGE_KEY", parts("AGE-SECRET-KEY-1", of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58))),
    "tailscale": ("TS_AUTHKEY", parts("tskey-auth-", of(ALNUM, 12), "CNTRL-", of(ALNUM, 32))),
    "airtable": ("AIRTABLE_KEY", parts("pat", of(ALNUM, 14), ".", of(HEX, 64))),
    "azure storage": ("AZURE_STORAGE_KEY", b64(64)),
    "azure client secret": ("AZURE_CLIENT_SECRET", parts(of(ALNUM, 3), "8Q~", of(ALNUM + "_~.-", 34))),
    "json web token": ("SESSION", jwt),
    "rsa private key": ("SSH_KEY", pem("RSA" + PEM)),
    "openssh private key": ("DEPLOY_KEY", pem("OPENSSH" + PEM)),
    "datadog": ("DD_API_KEY", of(HEX, 32)),
    "cloudflare": ("CLOUDFLARE_API_TOKEN", of(URLSAFE, 40)),
    "algolia admin": ("ALGOLIA_ADMIN_API_KEY", of(HEX, 32)),
    "rails master key": ("RAILS_MASTER_KEY", of(HEX, 32)),
    "wireguard": ("WG_PRIVATE_KEY", b64(32)),
    "oauth client secret": ("OAUTH_CLIENT_SECRET", of(ALNUM, 32)),
    "jwt signing secret": ("JWT_SECRET", b64(48)),
    "session secret": ("SESSION_SECRET", of(HEX, 64)),
    "okta": ("OKTA_API_TOKEN", parts("00", of(URLSAFE, 40))),
    "postmark": ("POSTMARK_SERVER_TOKEN", some_uuid),
    "database password": ("DB_PASSWORD", made_up),
    "short password": ("ADMIN_PASSWORD", of(ALNUM, 12)),
    "url password": ("DATABASE_URL", parts("postgres://app:", of(ALNUM, 20), "@db.internal:5432/app")),
    "basic auth": ("AUTHORIZATION", lambda lot: "Basic " + base64.b64encode(f"svc:{made_up(lot)}".encode()).decode()),
    "bearer": ("AUTHORIZATION", lambda lot: "Bearer " + of(URLSAFE, 40)(lot)),
}  # fmt: skip

CONTEXTS: dict[str, dict[str, Callable[[str, str], str]]] = {
    "tune": {
        "python": lambda name, value: f"import os\n\n{name} = {json.dumps(value)}\nclient = connect({name})\n",
        "dotenv": lambda name, value: f"# local settings\nDEBUG=1\n{name}={value}\nPORT=8000\n",
        "prose": lambda name, value: f"Please set {name} to work: `{name}={value}` and then run the tests again.",
    },
    "grade": {
        "yaml": lambda name, value: f"services:\n  web:\n    environment:\n      {name}: {json.dumps(value)}\n      PORT: 8000\n",
        "json": lambda name, value: json.dumps({"name": "app", "env": {name.lower(): value}, "port": 8000}, indent=2),
        "shell": lambda name, value: f"$ docker run --rm -e {name}='{value}' -p 80:80 app:1.4.2 && echo started\n",
    },
}

LOOK_ALIKES: dict[str, Draw] = {
    "uuid": parts('request_id = "', some_uuid, '"'),
    "git hash": parts("commit ", of(HEX, 40), " fixes the reader"),
    "git short hash": parts("git show ", of(HEX, 10)),
    "sha256 digest": parts("sha256:", of(HEX, 64), "  app.tar.gz"),
    "package-lock": parts('"integrity": "sha512-', b64(64), '",'),
    "go.sum": parts("github.com/x/y v1.2.3/go.mod h1:", b64(32)),
    "requirements hash": parts("    --hash=sha256:", of(HEX, 64), " \\"),
    "cargo checksum": parts('checksum = "', of(HEX, 64), '"'),
    "image": parts('<img src="data:image/png;base64,iVBORw0KGgo', b64(300), '">'),
    "font": parts("src: url(data:font/woff2;base64,d09GMg", b64(200), ");"),
    "public key": parts("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", b64(33), " deploy"),
    "certificate": pem("CERTIFICATE"),
    "pem marker alone": lambda lot: f'if text.startswith("-----BEGIN{PEM}-----"): return load(text, {lot.randrange(99)})',
    "identifier": parts("def test_token_is_refreshed_when_expired_", of(string.digits, 2), "(session_token_factory_v2): pass"),
    "camel identifier": lambda lot: f"const accessTokenRefreshHandlerV{lot.randrange(9)} = createSecretKeyProviderFactory();",
    "lookup": lambda lot: f'password = os.environ["APP{lot.randrange(99)}_DB_PASSWORD"]',
    "settings": lambda lot: f"api_key = settings.services.v{lot.randrange(99)}.api_key",
    "call": lambda lot: f"token = get_token(request, scope={lot.randrange(99)})",
    "placeholder": lambda lot: lot.choice(
        ['api_key = "YOUR_API_KEY_HERE1"', "API_KEY=<your-api-key-2>", "token: xxxxxxxxxxxxxxxx1", 'password: "changeme123"']),
    "template": lambda lot: lot.choice(
        ["password: ${DB_PASSWORD_2}", "token: {{ vault.token_v2 }}", "SECRET=$(cat /run/secrets/k1)", "key: %(api_key2)s"]),
    "documented example": lambda lot: "aws_access_key_id = AKIAIOSFODNN7" + "EXAMPLE",
    "test id": lambda lot: f"tests/test_auth.py::TestToken::test_key[{lot.randrange(99)}-sha256-RS256] PASSED",
    "url": parts("https://cdn.example.org/assets/app.", of(HEX, 20), ".js?v=", of(string.digits, 8)),
    "url with a port": lambda lot: f"redis://cache{lot.randrange(99)}.internal:6379/0",
    "hex colours": lambda lot: "; ".join(f"--key-{k}: #{lot.randrange(16**6):06x}" for k in range(6)),
    "semver": lambda lot: f'"jsonwebtoken": "^{lot.randrange(20)}.{lot.randrange(20)}.0-rc.1+build.{lot.randrange(9999)}"',
    "css": lambda lot: f".token.keyword-{lot.randrange(99)}{{color:#0{lot.randrange(9)}f;margin:0 auto 12px;transition:all .3s ease-in-out}}",
    "minified": lambda lot: f"!function(e,t){{var n=e.key,r=t.token;n&&r?a(n+r,{lot.randrange(999)}):o(e,'keydown')}}(this,window);",
    "date": lambda lot: f"token_expires: 2026-0{lot.randrange(1, 9)}-11T10:0{lot.randrange(9)}:00Z",
    "counts": lambda lot: f"tokens: {lot.randrange(10**9)}, max_tokens={lot.randrange(10**5)}, key=4{lot.randrange(10**9)}",
    "cache key": parts('cache_key = "', of(HEX, 32), '"'),
    "etag": parts('ETag: W/"', of(HEX, 27), '"'),
    "docker image": parts("image: registry.example.org/app@sha256:", of(HEX, 64)),
    "trace": parts("traceparent: 00-", of(HEX, 32), "-", of(HEX, 16), "-01"),
    "primary key": parts('primary_key="', some_uuid, '"'),
    "key id": parts('kid = key_id = "', of(URLSAFE, 27), '"'),
    "token type": lambda lot: f'token_type = "Bearer{lot.randrange(9)}"; auth_url = "https://id.example.org/v2/token1"',
    "fingerprint": parts("key fingerprint SHA256:", of(B64, 43)),
    "ulid": parts("run ", of("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26), " ended"),
    "object id": parts('_id: ObjectId("', of(HEX, 24), '")'),
    "sentence": lambda lot: f"the password is wrong {lot.randrange(99)} times, then the token expires and the key rotates",
    "regex": lambda lot: f"TOKEN = re.compile(r'[A-Z]{{{lot.randrange(2, 9)}}}-[0-9a-f]{{8,}}\\b')",
    "type": lambda lot: f"def login(password: str, token: Optional[str] = None, key: bytes = b'') -> Key{lot.randrange(99)}: ...",
    "path": lambda lot: f"key_file = '/etc/ssl/private/server-{lot.randrange(99)}-2026.pem'",
    "license": lambda lot: f"Copyright (c) 20{lot.randrange(10, 26)} The Authors. All passwords, keys and tokens are yours.",
    "arn": parts("arn:aws:iam::", of("123456789", 12), ":role/token-reader-2"),
    "source map": parts('"mappings":"AAAA;AACA,SAASA,', of(string.ascii_uppercase, 120), '"'),
    "keycode": lambda lot: f'"key": "ArrowDown{lot.randrange(9)}", "keyCode": {lot.randrange(99)}, "passive": true',
    "version": lambda lot: f"python_requires='>=3.{lot.randrange(14)}', tokenizers==0.{lot.randrange(30)}.1, keyring==25.{lot.randrange(9)}",
    "notebook": parts('"execution_count": 3, "id": "', of(HEX, 8), '", "metadata": {"tokens": []}'),
    "svg": lambda lot: "M" + " ".join(f"{lot.randrange(24)}.{lot.randrange(99)}c-1.1 0-2 .{lot.randrange(9)}" for _ in range(20)) + "z",
    "command on a key": parts("example delete-api-key --api-key ", of(ALNUM, 40)),
    "id with its name": parts('"ImportToken": "import-token-', of(LOWER, 16), '"'),
    "class name": lambda lot: f'token: Qwen{lot.randrange(9)}OmniToken2WavBigModel = "Audio{lot.randrange(9)}Token2WaveModelLayer"',
    "subject of a token": parts('"SubjectFromWebIdentityToken": "amzn1.account.', of(UPPER, 28), '"'),
    "signature of a token": parts('--token-signature "', b64(64), '"'),
    "private key for show": lambda lot: pem("RSA" + PEM)(lot).replace("\n", "\nEXAMPLE", 1),
    "ip and mac": lambda lot: f"10.0.{lot.randrange(256)}.1 aa:bb:cc:{lot.randrange(16, 256):02x}:0e:1f key=v{lot.randrange(9)}",
}  # fmt: skip
WRAP: dict[str, dict[str, Callable[[str], str]]] = {
    "tune": {"alone": lambda text: text, "log": lambda text: f"[info] 12:00:01 {text}\n", "comment": lambda text: f"# {text}\nx = 1\n"},
    "grade": {"prose": lambda text: f"See this:\n\n    {text}\n\nand tell me.",
              "diff": lambda text: f"+{text}\n-y = 2\n", "indent": lambda text: f"if a:\n\t{text}\n"},
}  # fmt: skip


def secrets(half: str, rounds: int = 1) -> Iterator[Planted]:
    """Each kind in each context of a half (tune or grade), `rounds` draws of each."""
    for number in range(rounds):
        for kind, (name, draw) in SECRETS.items():
            for context, put in CONTEXTS[half].items():
                lot = random.Random(f"{half} {number} {kind} {context}")
                value = draw(lot)
                yield Planted(kind, context, put(name, value), _needle(kind, value))


def _needle(kind: str, value: str) -> str:
    """The characters that are secret."""
    if kind == "url password":
        return value.split(":")[2].split("@")[0]
    if kind.endswith("private key"):
        return value.split("\n")[2]
    return value.removeprefix("Basic ").removeprefix("Bearer ")


def look_alikes(half: str, rounds: int = 1) -> Iterator[Planted]:
    """What looks like a secret and is none: each kind in each wrapping of a half."""
    for number in range(rounds):
        for kind, draw in LOOK_ALIKES.items():
            for context, put in WRAP[half].items():
                text = put(draw(random.Random(f"{half} {number} {kind} {context}")))
                yield Planted(kind, context, text, text)


def main(argv: list[str]) -> int:
    from git_hone.hooks.redaction import redact

    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--half", choices=("tune", "grade"), default="grade")
    words.add_argument("--rounds", type=int, default=20)
    given = words.parse_args(argv)
    for level, strict in (("prose", False), ("code", True)):
        planted, alike = list(secrets(given.half, given.rounds)), list(look_alikes(given.half, given.rounds))
        missed = [p for p in planted if p.needle in redact(p.text, strict=strict)]
        alarms = [p for p in alike if redact(p.text, strict=strict) != p.text]
        print(f"{given.half}, {level}: {len(SECRETS)} kinds, {len(planted)} secrets, {100 * (1 - len(missed) / len(planted)):.2f} % removed; "
              f"{len(LOOK_ALIKES)} kinds, {len(alike)} look-alikes, {len(alarms)} altered")  # fmt: skip
        for name, rows in (("missed", missed), ("altered", alarms)):
            for kind in sorted({(p.kind, p.context) for p in rows}):
                one = next(p for p in rows if (p.kind, p.context) == kind)
                print(f"  {name} {kind}: {sum((p.kind, p.context) == kind for p in rows)}  e.g. {one.text[:150]!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
