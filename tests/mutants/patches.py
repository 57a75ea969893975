"""Planted bugs as files: a header that says what breaks, and one unified diff, applied with exact context."""

import re
from dataclasses import dataclass, field
from pathlib import Path

CHANGED_LINES_MAX = 20


class PatchError(Exception):
    """The patch is malformed, or the code it was made for has moved."""


@dataclass
class Hunk:
    line: int  # in the old file, from 1
    old: list[str]
    new: list[str]


@dataclass
class Mutant:
    name: str  # "M05-commit-clamp"
    path: Path
    kind: str  # Raft, Client, Checker or Harness: what the patch breaks
    section: str
    breaks: str
    detectors: list[str]  # only these kill it: "I:SMS", "D", "H", "L", "corpus", "canary"; "none": equivalent
    real: str
    preset: str
    budget: int  # seeds
    options: dict[str, str]
    files: dict[str, list[Hunk]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.name.split("-", 1)[0]

    @property
    def equivalent(self) -> bool:
        return self.detectors == ["none"]

    def kills(self, detectors: list[str]) -> list[str]:
        """Those of the detectors that fired which count for this mutant. The invariant D is written without its I."""
        declared = {name.removeprefix("I:") for name in self.detectors}
        return [name for name in detectors if name.removeprefix("I:").split(":")[0] in declared]


def _header(path: Path, lines: list[str]) -> Mutant:
    def need(pattern: str):
        for line in lines:
            found = re.fullmatch(pattern, line)
            if found:
                return found
        raise PatchError(f"{path.name}: no header line of the form {pattern}")

    title = need(r"Mutant: (\w+) ([\w-]+) +(\w+): (.+)")
    facts = need(r"Detectors: (.+?)   Real: (.)   Preset: (\w+)   Budget: (\d+) seeds")
    name = f"{title[1]}-{title[2]}"
    if name != path.stem:
        raise PatchError(f"{path.name}: its header names {name}")
    options = next((line for line in lines if line.startswith("Options: ")), "Options: ")
    return Mutant(name=name, path=path, kind=title[3], section=title[4], breaks=need(r"Breaks: (.+)")[1],
                  detectors=facts[1].split(), real=facts[2], preset=facts[3], budget=int(facts[4]),
                  options=dict(item.split("=", 1) for item in options[len("Options: "):].split()))


def read_mutant(path: Path) -> Mutant:
    lines = path.read_text().splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("--- a/")), None)
    if start is None:
        raise PatchError(f"{path.name}: holds no diff")
    mutant = _header(path, lines[:start])
    hunks: list[Hunk] | None = None
    added = removed = 0
    i = start
    while i < len(lines):
        line = lines[i]
        if line.startswith("--- a/"):
            if not lines[i + 1].startswith("+++ b/" + line[6:]):
                raise PatchError(f"{path.name}: line {i + 2}: expected +++ b/{line[6:]}")
            hunks = mutant.files.setdefault(line[6:], [])
            i += 2
            continue
        at = re.match(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@", line)
        if not at or hunks is None:
            raise PatchError(f"{path.name}: line {i + 1}: expected a hunk")
        old_length, new_length = int(at[2] or 1), int(at[3] or 1)
        hunk = Hunk(int(at[1]), [], [])
        i += 1
        while len(hunk.old) < old_length or len(hunk.new) < new_length:
            if i == len(lines) or (lines[i] and lines[i][0] not in " +-"):
                raise PatchError(f"{path.name}: the hunk of line {hunk.line} ends early")
            mark, text = lines[i][:1] or " ", lines[i][1:]
            if mark in " -":
                hunk.old.append(text)
            if mark in " +":
                hunk.new.append(text)
            added += mark == "+"
            removed += mark == "-"
            i += 1
        hunks.append(hunk)
    if max(added, removed) > CHANGED_LINES_MAX:
        raise PatchError(f"{path.name}: changes {max(added, removed)} lines; at most {CHANGED_LINES_MAX}")
    return mutant


def read_mutants(folder: Path) -> list[Mutant]:
    return [read_mutant(path) for path in sorted(folder.glob("*.patch"))]


def _places(lines: list[str], wanted: list[str]) -> list[int]:
    return [i for i in range(len(lines) - len(wanted) + 1) if lines[i:i + len(wanted)] == wanted]


def apply(mutant: Mutant, root: Path) -> dict[str, str]:
    """The patched files, by path. Every line of context must be there, in one place only."""
    patched = {}
    for path, hunks in mutant.files.items():
        try:
            lines = (root / path).read_text().splitlines()
        except FileNotFoundError:
            raise PatchError(f"{mutant.path.name}: there is no {path}") from None
        for hunk in hunks:
            places = _places(lines, hunk.old)
            if len(places) != 1:
                found = "is not there any more" if not places else f"is there {len(places)} times"
                raise PatchError(f"{mutant.path.name}: {path}: what it expects at line {hunk.line} {found}")
            lines[places[0]:places[0] + len(hunk.old)] = hunk.new
        patched[path] = "\n".join(lines) + "\n"
    return patched
