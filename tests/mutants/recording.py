"""Makes the script of a planted bug: a run that finds it, with as few decisions of the nemesis as will do."""

import json
import subprocess
from pathlib import Path

from campaign import runs
from patches import Mutant


class Recorder:
    def __init__(self, mutant: Mutant, program: Path, clean: Path, tries: int = 300):
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
        return {key: value for key, value in run.items()
                if key not in ("world", "mix", "nemesis", "preset", "detectors", "explain", "trace", "trace_frames", "hash_every")
                and value is not None}

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
        drawn = self.drawn(options, seed)
        # A small number says the same to a reader as one of 64 bits, but what is still open may be drawn otherwise from it.
        small = drawn | {"schedule": drawn["schedule"] | {"seed": int(drawn["schedule"].get("seed", 0)) % 1_000_000}}
        run = next((run for run in (small, drawn) if self.kills(run)), None)
        if run is None:
            return None
        run = self.rounder_times(self.fewer_decisions(run))
        found = next(runs(self.program, run, seed, seed))
        return {"scenario": 1, "name": self.mutant.id.lower(), "shows": self.mutant.breaks,
                "expect": {"signature": "", "bugs": {self.mutant.name: self.mutant.kills(found.detectors)}}, "run": run}


UNITS = {"ns": 1, "us": 1000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}


def nanoseconds_of(text: str | None) -> int | None:
    for unit in ("ns", "us", "ms", "s", "m"):
        if text and text.endswith(unit) and text[:-len(unit)].isdigit():
            return int(text[:-len(unit)]) * UNITS[unit]
    return None


def write(file: Path, scenario: dict) -> None:
    """As `faultline shrink --save` does (adapters/cli/scenario.hpp): a line for each option and decision."""
    def compact(value) -> str:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    run = scenario["run"]
    options = [f"{compact(key)}:{compact(value)}" for key, value in run.items() if key != "schedule"]
    decisions = ",\n".join(f"   {compact(decision)}" for decision in run["schedule"]["decisions"])
    options.append(f'"schedule":{{"version":1,"seed":{compact(run["schedule"].get("seed", 0))},"decisions":[\n{decisions}]}}')
    head = "".join(f" {compact(key)}:{compact(scenario[key])},\n" for key in ("name", "shows", "expect"))
    file.write_text('{"scenario":1,\n' + head + ' "run":{' + ",\n  ".join(options) + "}}\n")
