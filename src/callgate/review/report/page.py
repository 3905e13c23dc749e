"""The page around a report: its style, and a policy under which nothing can run or be loaded."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from callgate.review.report.markup import Html, el, join

STYLE = """
:root { color-scheme: light dark;
  --back: #fbfaf8; --card: #ffffff; --text: #1d2125; --soft: #5b646e; --line: #dcdad5;
  --ok: #0b66a8; --refused: #c44e00; --withheld: #a3457c; --failed: #8a6a00; --flight: #737b84;
  --heat: 11 102 168; --warning: #b3261e; --notice: #8a5a00; --note: #44617b; }
@media (prefers-color-scheme: dark) { :root {
  --back: #14171a; --card: #1c2024; --text: #e6e8ea; --soft: #a2abb4; --line: #343a40;
  --ok: #5ab4ec; --refused: #ff8a4c; --withheld: #e48abf; --failed: #e6bf4a; --flight: #9aa3ac;
  --heat: 90 180 236; --warning: #ff8f86; --notice: #f0b95a; --note: #9cc1e0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1100px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 34px 0 10px; }
h3 { font-size: 14px; margin: 0 0 8px; color: var(--soft); font-weight: 600; }
p { margin: 4px 0; } .soft { color: var(--soft); }
code, pre, .mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  font-size: 12.5px; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; margin: 4px 0; max-height: 320px; overflow: auto; padding: 8px 10px;
  background: var(--back); border: 1px solid var(--line); border-radius: 6px; }
a { color: var(--ok); }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; margin: 18px 0 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 10px 16px; min-width: 108px; }
.tile b { display: block; font-size: 22px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 14px 16px; margin: 10px 0; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr));
  gap: 12px; }
.plots .card { margin: 0; overflow-x: auto; }
.finding { border-left: 5px solid var(--note); }
.finding.warning { border-left-color: var(--warning); }
.finding.notice { border-left-color: var(--notice); }
.place { margin-right: 12px; } .place .mono { margin-left: 4px; }
.tag { display: inline-block; font-size: 12px; font-weight: 600; border-radius: 5px; padding: 0 7px;
  border: 1px solid currentColor; margin-right: 8px; white-space: nowrap; }
.tag.warning, .is-warning { color: var(--warning); } .tag.notice { color: var(--notice); }
.tag.note { color: var(--note); }
.o-ok { color: var(--ok); } .o-refused { color: var(--refused); }
.o-withheld { color: var(--withheld); } .o-failed { color: var(--failed); }
.o-in-flight { color: var(--flight); }
svg { display: block; max-width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--text); font-size: 11px; font-family: inherit; }
svg .axis { stroke: var(--line); stroke-width: 1; } svg .quiet { fill: var(--soft); }
svg .f-ok { fill: var(--ok); } svg .f-refused { fill: var(--refused); }
svg .f-withheld { fill: var(--withheld); } svg .f-failed { fill: var(--failed); }
svg .f-in-flight { fill: var(--flight); }
svg .arc { fill: none; stroke: var(--ok); stroke-opacity: .65; }
svg .arc.sends { stroke: var(--refused); stroke-opacity: .95; }
svg .heat { fill: rgb(var(--heat)); } svg .cell { fill: none; stroke: var(--line); }
svg .box { fill: var(--ok); fill-opacity: .28; } svg .median { stroke: var(--ok); stroke-width: 3; }
svg .whisker { stroke: var(--soft); stroke-width: 1.2; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 12.5px; margin: 6px 0 0; }
.legend span::before { content: "\\25A0"; margin-right: 5px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; font-weight: 600; color: var(--soft); }
th, td { padding: 5px 8px; border-bottom: 1px solid var(--line); vertical-align: top; }
td.num, th.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td { overflow-wrap: anywhere; } td.time, td.who { white-space: nowrap; }
details { border-bottom: 1px solid var(--line); padding: 6px 0; }
details > summary { cursor: pointer; list-style: none; display: grid; align-items: baseline;
  grid-template-columns: 38px 70px minmax(0, 1fr) minmax(90px, auto) 74px 72px; gap: 10px; }
details > summary::-webkit-details-marker { display: none; }
summary > :first-child::before { content: "\\25B8"; float: left; }
details[open] > summary > :first-child::before { content: "\\25BE"; }
details[open] > summary { font-weight: 600; }
summary .num { white-space: nowrap; text-align: right; font-variant-numeric: tabular-nums; }
summary .name { overflow-wrap: anywhere; }
.inner { padding: 6px 0 10px 48px; } .inner p { overflow-wrap: anywhere; }
.asked { padding-left: 24px; }
.between { padding: 6px 0 6px 48px; border-bottom: 1px solid var(--line); font-style: italic; }
:focus-visible { outline: 2px solid var(--ok); outline-offset: 2px; }
footer { margin-top: 40px; font-size: 13px; color: var(--soft); }
@media (max-width: 640px) { main { padding: 18px 14px; }
  details > summary { grid-template-columns: 30px minmax(0, 1fr) auto; }
  summary .when, summary .size, summary .took { display: none; } .inner { padding-left: 30px; } }
@media print { :root { color-scheme: light; --back: #fff; --card: #fff; --text: #000; --soft: #444;
    --line: #bbb; --ok: #0b66a8; --refused: #c44e00; --withheld: #a3457c; --failed: #8a6a00; }
  main { max-width: none; padding: 0; } .card, tr, summary { break-inside: avoid; }
  pre { max-height: none; } details::details-content { content-visibility: visible; } }
"""


def page(title: str, body: Iterable[Html]) -> str:
    """The whole file. Nothing in it runs, and nothing is loaded: by construction, and by policy."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        Html(f"<style>{STYLE}</style>"),
    )
    whole = el("html", head, el("body", el("main", join(body))), lang="en")
    return f"<!DOCTYPE html>\n{whole.markup}\n"
