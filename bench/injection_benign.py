"""How many ordinary texts `injection` takes for instructions, by where they come from.

    python bench/injection_benign.py README=docs/*.md LOG=<(git log -p -50) …

Each argument is a name and a file. A text is the first 20,000 characters of a file; of a file of
JSON with a list of tools, each tool. Prints the share of each name that would be labelled.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from callgate.interceptors.injection import Injection, InjectionSettings, scored

LONGEST = 20_000


def texts_of(file: Path) -> list[str]:
    """What one file holds."""
    text = file.read_text("utf-8", "replace")
    if file.suffix == ".json":
        found = json.loads(text)
        tools = found.get("tools") if isinstance(found, dict) else found
        if isinstance(tools, list):
            return [json.dumps(tool, ensure_ascii=False) for tool in tools]
    return [text[at : at + LONGEST] for at in range(0, min(len(text), 40 * LONGEST), LONGEST)]


def main(arguments: list[str]) -> None:
    """Measures and prints."""
    settings = InjectionSettings()
    injection = Injection(settings, Path())
    seen: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    why: dict[str, Counter[str]] = {}
    for argument in arguments:
        name, _, file = argument.partition("=")
        for text in texts_of(Path(file)):
            findings = injection.findings([text])
            seen[name] += 1
            if scored(findings) >= settings.label_at:
                labelled[name] += 1
                why.setdefault(name, Counter()).update(findings.keys())
    for name, count in seen.items():
        kinds = ", ".join(
            f"{kind} {many}" for kind, many in why.get(name, Counter()).most_common(5)
        )
        print(f"{name:12} {labelled[name]:4} of {count:5}  {labelled[name] / count:7.2%}  {kinds}")
    whole = sum(labelled.values()) / max(sum(seen.values()), 1)
    print(f"{'all':12} {sum(labelled.values()):4} of {sum(seen.values()):5}  {whole:7.2%}")


if __name__ == "__main__":
    main(sys.argv[1:])
