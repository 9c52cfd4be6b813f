"""MkDocs hooks: the repository's address, diagrams from blocks of text, and a search index for each language."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from mkdocs.plugins import event_priority

DIAGRAM = re.compile(r"^```flow\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
REMOTE = re.compile(r"(?:ssh://)?(?:https?://|git@)(?:[^@/]*@)?(?P<host>[\w.-]+)[:/](?P<path>[\w./-]+?)(?:\.git)?/?")
CHINESE = "zh/"
BASE = re.compile(r'(<script id="__config" type="application/json">\{[^{]*?"base": ")([./]+)"')
NO_ADDRESS = "<address of this repository>"


def find_repository(environment: Mapping[str, str], origin: str) -> str | None:
    """Return the web address of the repository: what CI says it is, or that of the remote ``origin``."""
    if "GITHUB_REPOSITORY" in environment:
        return f"{environment.get('GITHUB_SERVER_URL', 'https://github.com')}/{environment['GITHUB_REPOSITORY']}"
    remote = REMOTE.fullmatch(origin.strip())
    return f"https://{remote['host']}/{remote['path']}" if remote else None


def draw(lines: str) -> str:
    """Return a diagram as HTML: a row per line, ``name: first > second > third``, its ends drawn as data.

    It needs no picture, so it is found by the search, follows a dark page and wraps on a phone.
    """
    rows = []
    for line in filter(None, lines.splitlines()):
        name, _, steps = line.partition(": ")
        boxes = "".join(f"<li>{html.escape(step.strip())}</li>" for step in steps.split(" > "))
        rows.append(f"<div><b>{html.escape(name)}</b><ol>{boxes}</ol></div>")
    return f'<div class="flow">{"".join(rows)}</div>'


def on_config(config):
    asked = subprocess.run(["git", "config", "remote.origin.url"], capture_output=True, text=True, check=False)
    address = find_repository(os.environ, asked.stdout)
    config.extra["repository"] = address or NO_ADDRESS
    if address:  # not as repo_url, whose theme asks the host for its stars
        config.extra["social"] = [{"icon": "fontawesome/brands/git-alt", "link": address, "name": address}]
    return config


def on_page_markdown(markdown, page, config, files):
    markdown = DIAGRAM.sub(lambda block: draw(block[1]), markdown)
    return markdown.replace("REPOSITORY_ADDRESS", config.extra["repository"])


def on_post_page(output, page, config):
    """Let the Chinese pages look for the search index, and for the pages that it names, in their own folder."""
    if not page.url.startswith(CHINESE):
        return output
    return BASE.sub(lambda found: f'{found[1]}{found[2].removesuffix("..").rstrip("/") or "."}"', output)


@event_priority(-200)  # after the plugin that builds the languages, which writes one index for all
def on_post_build(config):
    written = Path(config.site_dir, "search", "search_index.json")
    index = json.loads(written.read_text(encoding="utf-8"))
    split_index(index, written, Path(config.site_dir, CHINESE, "search", written.name))


def split_index(index: dict, english: Path, chinese: Path) -> None:
    """Write an index for each language: nobody looks for a page in both."""
    entries = {english: [], chinese: []}
    for entry in index["docs"]:
        location = entry["location"]
        own = location.removeprefix(CHINESE)
        entries[english if own == location else chinese].append({**entry, "location": own})
    for path, found in entries.items():
        if found:  # in the build of one language there are none of the other
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({**index, "docs": found}, ensure_ascii=False), encoding="utf-8")
