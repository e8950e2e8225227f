"""What the stand-in's pages have in common: their look, and what a browser may do with them.

They work without scripts and load nothing from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from html import escape

from aiohttp import web

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_STYLE = """
:root { color-scheme: light dark; --page: #f5f5f3; --card: #fff; --ink: #22242a; --soft: #62656e;
  --line: #e2e2de; --edge: #c9c9c4; --good: #1e7f4b; --warn: #a8590a; --off: #62656e; --accent: #3b5bdb;
  --danger: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --page: #16171a; --card: #1f2125; --ink: #ececee;
  --soft: #a3a6af; --line: #34373d; --edge: #50545c; --good: #5cc98d; --warn: #f0a95b; --off: #a3a6af;
  --accent: #91a7ff; --danger: #f2918a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 2.25rem 0 .75rem; }
p { margin: 0; color: var(--soft); }
code { font: .875em ui-monospace, monospace; overflow-wrap: anywhere; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
.empty { padding: 1.25rem 1rem; }
table { width: 100%; border-collapse: collapse; font-size: .95rem; }
th, td { padding: .75rem .8rem; text-align: left; vertical-align: top; }
thead th { color: var(--soft); font-size: .8rem; font-weight: 500; padding-block: .6rem; }
tbody tr { border-top: 1px solid var(--line); }
tbody th { font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; }
.name { min-width: 11rem; }
.state { min-width: 9rem; }
small { display: block; color: var(--soft); font-size: .8rem; }
.status { font-weight: 500; color: var(--off); }
.status::before { content: ""; display: inline-block; width: .55em; height: .55em; margin-right: .45em;
  border-radius: 50%; background: currentColor; }
.status.active { color: var(--good); }
.status.expired, .status.failed, .status.revoked { color: var(--warn); }
time { white-space: nowrap; }
form { margin: 0; }
.actions, .apps { display: flex; flex-wrap: wrap; gap: .4rem; }
td .actions { justify-content: flex-end; flex-wrap: nowrap; }
.apps { padding: 1rem; gap: .6rem; }
button { font: inherit; font-size: .85rem; white-space: nowrap; color: var(--ink); background: transparent;
  cursor: pointer; border: 1px solid var(--edge); border-radius: 8px; padding: .3rem .65rem; }
.apps button { font-size: .95rem; padding: .5rem .95rem; }
button:hover { border-color: currentColor; }
button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
button.remove { color: var(--danger); }
main.alone { max-width: 30rem; }
.alone .card { margin-block: 1.25rem .75rem; padding: 1.25rem; }
.alone .card p { color: var(--ink); overflow-wrap: anywhere; }
.note { font-size: .85rem; }
label { display: block; margin-top: 1.25rem; font-size: .85rem; font-weight: 500; }
input { width: 100%; margin-top: .3rem; padding: .6rem .75rem; font: inherit; color: var(--ink);
  background: var(--page); border: 1px solid var(--edge); border-radius: 8px; }
input:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.choice { display: flex; gap: .6rem; margin-top: 1.25rem; }
.choice button { flex: 1; padding: .65rem 1rem; font-size: .95rem; }
button.allow { color: var(--card); background: var(--accent); border-color: transparent; font-weight: 600; }
button.allow:hover { filter: brightness(1.08); }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (max-width: 60rem) {
  thead { display: none; }
  tr, tbody th, td { display: block; }
  tbody th, td { padding: .15rem 1rem; }
  tbody th { padding-top: 1rem; }
  td:last-child { padding: .6rem 1rem 1rem; }
  .since::before { content: "Created "; color: var(--soft); font-size: .8rem; }
  .since small { display: inline; margin-left: .4em; }
  td .actions { justify-content: flex-start; flex-wrap: wrap; }
  button { padding: .5rem .9rem; }
}
"""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def document(title: str, main: str) -> str:
    """A whole page; *main* is HTML, with everything from outside escaped."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title, quote=False)}</title><style>{_STYLE}</style></head><body>{main}</body></html>"
    )


def shown(html: str, status: int = 200) -> web.Response:
    """The answer with that page."""
    return web.Response(text=html, status=status, content_type="text/html", headers=HEADERS)


def only_from_here(handler: Handler) -> Handler:
    """Refuses what another site sends here, also under a name of its own (DNS rebinding)."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        port = request.get_extra_info("sockname")[1]
        host = request.headers.get("Host", "")
        own = {f"127.0.0.1:{port}", f"localhost:{port}"}
        if host not in own or request.headers.get("Origin", f"http://{host}") != f"http://{host}":
            return web.Response(status=403, text="Forms are only taken from this page itself.")
        return await handler(request)

    return guarded


def breakable(text: str) -> str:
    """Escaped, with places where a long line may end."""
    return re.sub(r"([_.@+])", r"\1<wbr>", escape(text))
