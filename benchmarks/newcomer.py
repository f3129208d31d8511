"""As a new user: every command of the README and the how-to pages in a clean clone with an empty home.

    python benchmarks/newcomer.py FOLDER [--data DATA] [--run RUN] [--all]

Clones the committed state of this checkout into FOLDER/trivium (FOLDER must not exist), makes an empty
FOLDER/home, and types what the pages say, in their order, with no variable of the caller but PATH and what
pip needs (PIP_*, *_PROXY, SSL_*). Prints a transcript: each command, the last lines that it wrote, its
seconds and exit code; at the end one JSON line with the number of commands, those failed, seconds by page.

The README's first command raises the pocket model (a quarter of an hour on two free cores). With --run RUN, a
finished run folder, that command is left out and RUN is copied into the clone instead, which the transcript
says. The test suite, the claims and the mixture search take hours; only --all types them too.

A how-to page names the files that it starts from. With --data DATA they come from public data sets in that
folder (`BRING`: pages of a crawl, SVAMP's word problems, the seed tasks of Self-Instruct), without it they
are those that stand on the page. `models/mine` is the new user's own pocket model. A page has its own folder.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
"""A fenced block: language, title, text. One with a title is a file; one marked `sh` is typed."""
RAISE, LONG = "./trivium run recipes/pocket.py", ("test", "claims", "mix")
"""The command that makes the pocket run, and the verbs that take hours."""
LAST_LINES, SAID = 6, "Tom has 3 apples and 4 pears. How many fruits does he have?\n"
"""Lines of output shown for each command; what is typed into a command that asks for input."""
PIP_NEEDS = re.compile(r"PIP_\w+|SSL_\w+|\w+_proxy", re.IGNORECASE)


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """Return language, title and text of every fenced block of a page."""
    return BLOCK.findall(page.read_text())


def commands(page: Path, languages: Iterable[str] = ("sh",)) -> list[str]:
    """Return the `./trivium` lines of a page's blocks in these languages, in order."""
    text = "".join(body for language, _, body in blocks(page) if language in languages)
    return [line for line in text.splitlines() if line.startswith("./trivium")]


def plain_environment(caller: dict[str, str], home: Path) -> dict[str, str]:
    """Return what a new account has: PATH, HOME and what pip needs to reach its index."""
    kept = {name: value for name, value in caller.items() if PIP_NEEDS.fullmatch(name)}
    return kept | {"PATH": caller["PATH"], "HOME": str(home)}


def word_problems(source: Path, target: Path, count: int = 40) -> None:
    """Write the first problems of SVAMP as questions with answers."""
    rows = [
        {"question": f"{one['Body'].strip().rstrip('.')}. {one['Question']}", "answer": f"{one['Answer']:g}"}
        for one in json.loads(source.read_text())[:count]
    ]
    target.write_text("".join(json.dumps(row) + "\n" for row in rows))


def seed_tasks(source: Path, target: Path) -> None:
    """Write Self-Instruct's seed tasks in the columns of an instruction data set, one row an instance."""
    tasks = [json.loads(line) for line in source.read_text().splitlines()]
    rows = [{"instruction": task["instruction"]} | one for task in tasks for one in task["instances"]]
    target.write_text("".join(json.dumps(row) + "\n" for row in rows))


BRING: dict[str, tuple[str, Callable[[Path, Path], object]]] = {
    "crawl": ("html-trafilatura-cc/html", shutil.copytree),
    "questions.jsonl": ("svamp/SVAMP.json", word_problems),
    "chats.jsonl": ("self-instruct-seeds/seed_tasks.jsonl", seed_tasks),
}
"""What stands on a how-to page, the public data that takes its place, and how it is brought there."""


@dataclass(frozen=True)
class Typed:
    """One command, how long it took, and how it ended."""

    page: str
    command: str
    seconds: float
    code: int


def type_in(page: str, command: str, folder: Path, environment: dict[str, str]) -> Typed:
    """Run one line in a shell of its own and print what a person would see of it."""
    print(f"$ {command}", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, input=SAID, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    seconds = time.monotonic() - began
    for line in done.stdout.splitlines()[-LAST_LINES:]:
        print(f"    {line}")
    print(f"    [{seconds:.1f} s, exit code {done.returncode}]", flush=True)
    return Typed(page, command, seconds, done.returncode)


def read_me(clone: Path, run: Path | None, everything: bool, environment: dict[str, str]) -> list[Typed]:
    """Type what the README says; its lines stand in blocks of no language."""
    print("\n## README.md")
    typed = []
    for line in commands(clone / "README.md", ("", "sh")):
        if run and line == RAISE:
            print(f"$ {line}\n    [not typed: runs/pocket was not made here, it is a copy of {run}]")
            typed.append(type_in("README.md", "./trivium --help", clone, environment))
            shutil.copytree(run, clone / "runs" / "pocket")
        elif line.split()[1] in LONG and not everything:
            print(f"$ {line}\n    [not typed: takes hours; --all types it]")
        else:
            typed.append(type_in("README.md", line, clone, environment))
    return typed


def lay_out(page: Path, place: Path, data: Path | None) -> None:
    """Put the files that a how-to page starts from into its folder."""
    for _, title, body in blocks(page):
        top = title.split("/")[0]
        target = place / (top if data and top in BRING else title)
        if not title or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if data and top in BRING:
            source, bring = BRING[top]
            bring(data / source, target)
            print(f"    [{top} is {source} of the data folder]")
        else:
            target.write_text(body)


def how_to(page: Path, clone: Path, data: Path | None, environment: dict[str, str]) -> list[Typed]:
    """Type what a how-to page says, in a folder with its files, the launcher and one's own pocket model."""
    print(f"\n## docs/howto/{page.name}")
    place = clone.parent / page.stem
    (place / "models").mkdir(parents=True)
    (place / "trivium").symlink_to(clone / "trivium")
    shutil.copytree(clone / "runs" / "pocket" / "14-dpo2" / "model", place / "models" / "mine")
    lay_out(page, place, data)
    return [type_in(f"docs/howto/{page.name}", line, place, environment) for line in commands(page)]


def summary(typed: list[Typed]) -> dict[str, object]:
    """Return the last line: how many commands, which failed, and seconds by page."""
    seconds = {page: 0.0 for page in dict.fromkeys(one.page for one in typed)}
    for one in typed:
        seconds[one.page] += one.seconds
    failed = [one.command for one in typed if one.code]
    rounded = {page: round(value, 1) for page, value in seconds.items()}
    return {"name": "newcomer", "commands": len(typed), "failed": failed, "seconds": rounded}


def main(folder: Path, data: Path | None, run: Path | None, everything: bool) -> int:
    """Clone, type, print; returns 1 when a command failed."""
    (folder / "home").mkdir(parents=True)
    clone, environment = folder / "trivium", plain_environment(dict(os.environ), folder / "home")
    cloned = type_in("README.md", f"git clone --quiet {ROOT} trivium", folder, environment)
    typed = [cloned, *read_me(clone, run, everything, environment)]
    for page in sorted((clone / "docs" / "howto").glob("*.md")):
        typed += how_to(page, clone, data, environment)
    print("\n" + json.dumps(summary(typed)))
    return int(any(one.code for one in typed))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=lambda text: Path(text).resolve())
    parser.add_argument("--data", type=lambda text: Path(text).resolve())
    parser.add_argument("--run", type=lambda text: Path(text).resolve())
    parser.add_argument("--all", action="store_true", dest="everything")
    sys.exit(main(**vars(parser.parse_args())))
