"""Makes the script of a planted bug: a run that finds it, with as few decisions of the nemesis as will do."""

import json
import subprocess
from pathlib import Path

from campaign import runs
from patches import Mutant


class Recorder:
    def __init__(self, mutant: Mutant, program: Path, clean: Path, tries: int = 400):
        self.mutant, self.program, self.clean, self.tries = mutant, program, clean, tries

    def kills(self, run: dict) -> bool:
        """The bug is found in this run, and the clean tree passes it."""
        if self.tries == 0:
            return False
        self.tries -= 1
        found = next(runs(self.program, run, run["seed"], run["seed"]))
        if found.failure or not self.mutant.kills(found.detectors):
            return False
        passed = next(runs(self.clean, run, run["seed"], run["seed"]))
        return not (passed.detectors or passed.crash or passed.failure)

    def drawn(self, options: dict, seed: int) -> dict:
        """The run of this seed with nothing left open. The world's own options follow from the seed."""
        done = subprocess.run([str(self.clean), "--seeds", f"{seed}..{seed}", "--run", json.dumps(options), "--show"],
                              capture_output=True, text=True, check=True)
        run = json.loads(done.stdout)["run"]
        # A small number says the same to a reader as one of 64 bits.
        run["schedule"] = run["schedule"] | {"seed": int(run["schedule"].get("seed", 0)) % 1_000_000}
        return {key: value for key, value in run.items()
                if key not in ("world", "mix", "nemesis", "preset", "detectors", "explain", "trace", "trace_frames", "hash_every")
                and value is not None and value is not False}

    def with_decisions(self, run: dict, decisions: list) -> dict:
        return run | {"schedule": run["schedule"] | {"decisions": decisions}}

    def fewer_decisions(self, run: dict) -> dict:
        """Zeller and Hildebrandt's ddmin (2002) over the decisions."""
        decisions, parts = run["schedule"]["decisions"], 2
        while decisions:
            size = -(-len(decisions) // parts)
            for start in range(0, len(decisions), size):
                rest = decisions[:start] + decisions[start + size:]
                if self.kills(self.with_decisions(run, rest)):
                    decisions, parts = rest, max(2, parts - 1)
                    break
            else:
                if size == 1:
                    break
                parts = min(len(decisions), 2 * parts)
        return self.with_decisions(run, decisions)

    def rounder_times(self, run: dict) -> dict:
        """Whole tenths of a second, where they do as well."""
        for place in range(len(run["schedule"]["decisions"])):
            for field in ("at", "for"):
                decisions = json.loads(json.dumps(run["schedule"]["decisions"]))
                nanoseconds = nanoseconds_of(decisions[place].get(field))
                if nanoseconds is None or nanoseconds % 100_000_000 == 0:
                    continue
                decisions[place][field] = f"{max(1, round(nanoseconds / 100_000_000)) * 100}ms"
                if self.kills(self.with_decisions(run, decisions)):
                    run = self.with_decisions(run, decisions)
        return run

    def record(self, options: dict, seed: int) -> dict | None:
        run = self.drawn(options, seed)
        if not self.kills(run):
            return None
        run = self.rounder_times(self.fewer_decisions(run))
        found = next(runs(self.program, run, seed, seed))
        return {"name": self.mutant.name, "shows": self.mutant.breaks, "expect": self.mutant.kills(found.detectors), "run": run}


UNITS = {"ns": 1, "us": 1000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}


def nanoseconds_of(text: str | None) -> int | None:
    for unit in ("ns", "us", "ms", "s", "m"):
        if text and text.endswith(unit) and text[:-len(unit)].isdigit():
            return int(text[:-len(unit)]) * UNITS[unit]
    return None


def write(file: Path, scenario: dict) -> None:
    """One line a field and a decision, for people to read."""
    decisions = scenario["run"]["schedule"]["decisions"]
    head = {key: value for key, value in scenario["run"].items() if key != "schedule"}
    lines = [f'  "name": {json.dumps(scenario["name"])},', f'  "shows": {json.dumps(scenario["shows"])},',
             f'  "expect": {json.dumps(scenario["expect"])},', '  "run": {',
             *(f"    {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()),
             f'    "schedule": {{"version": 1, "seed": {scenario["run"]["schedule"].get("seed", 0)}, "decisions": [',
             ",\n".join(f"      {json.dumps(decision)}" for decision in decisions), "    ]}", "  }"]
    file.write_text("{\n" + "\n".join(line for line in lines if line) + "\n}\n")
