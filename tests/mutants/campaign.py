"""Runs a driver over seeds and says what found the planted bug, after how many seeds and how much CPU time."""

import json
import re
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

from patches import Mutant

# Assertions that state one of the invariants: where one fails, that invariant has caught the bug. Any other is a crash,
# and proves nothing.
ASSERTED = {
    "from > commit_": "I:SMS",
    "role_ != Role::leader": "I:ES",
    "!leader_ || leader_ == leader": "I:ES",
    "batch.hard_state->term >= hard_state_.term": "I:MON",
    "batch.hard_state->commit >= hard_state_.commit": "I:MON",
    "snapshot.index > commit_": "I:MON",
}
SEEDS_AT_ONCE = 200
# The columns of the matrix: nemesis/presets.cpp says what each is.
PRESETS = ["none", "kill", "partition", "directed", "frames", "power", "io", "pause", "clock", "membership", "snapshot",
           "swarm", "default"]


@dataclass
class Run:
    seed: int
    detectors: list[str]
    why: str = ""
    cpu: float = 0.0
    crash: str = ""
    vacuous: str = ""
    failure: str = ""
    liveness: str = ""
    hash: str = ""
    steps: int = 0
    operations: int = 0
    refusals: int = 0


@dataclass
class Outcome:
    """What a search over seeds came to."""
    killed_by: list[str] = field(default_factory=list)  # empty: it survived
    seed: int = 0  # that killed it
    seeds: int = 0  # that were tried
    cpu: float = 0.0
    why: str = ""
    also: list[str] = field(default_factory=list)  # detectors that fired but are not declared, in any run up to the kill
    crashes: int = 0
    first_crash: str = ""
    failures: int = 0
    first_failure: str = ""
    vacuous: int = 0

    def as_dict(self):
        return asdict(self)


def options_of(*layers: dict) -> dict:
    """SimRun fields; "key=value" texts become what JSON would read, the last layer wins."""
    merged = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, str):
                try:
                    value = json.loads(value)
                except json.JSONDecodeError:
                    pass
            merged[key] = value
    return merged


def runs(program: Path, options: dict, first: int, last: int, history_only: bool = False, limit: float | None = None):
    """A Run for each seed, in order; seeds whose process ended by an assertion are told as crashes."""
    seed = first
    while seed <= last:
        end = min(last, seed + SEEDS_AT_ONCE - 1)
        command = ["nice", "-n", "10", str(program), "--seeds", f"{seed}..{end}", "--run", json.dumps(options)]
        if history_only:
            command.append("--history")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            for line in process.stdout:
                told = json.loads(line)
                seed = told["seed"] + 1
                yield Run(**told)
            words = process.stderr.read()
            process.wait(limit)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode == 64:
            raise RuntimeError(f"{program.name} refused {json.dumps(options)}: {words.strip()}")
        if process.returncode != 0:
            yield crash(seed, words, process.returncode)
            seed += 1


def crash(seed: int, words: str, status: int) -> Run:
    found = re.search(r"assertion failed: (.*?)(?: at seed (\d+).*)?$", words, re.MULTILINE)
    condition = found[1] if found else ""
    detector = ASSERTED.get(condition)
    return Run(seed=seed, detectors=[detector] if detector else [], why=f"assertion failed: {condition}" if found else "",
               crash="" if detector else (found[0] if found else f"ended with status {status}: {words.strip()[-300:]}"))


def search(program: Path, mutant: Mutant | None, options: dict, first: int, seeds: int, history_only: bool = False,
           cpu_limit: float = float("inf")) -> Outcome:
    """Until the mutant is killed; of the clean tree and equivalent mutants (None), until anything fires."""
    outcome = Outcome()
    also: set[str] = set()
    for run in runs(program, options, first, first + seeds - 1, history_only):
        outcome.seeds += 1
        outcome.cpu += run.cpu
        outcome.vacuous += bool(run.vacuous)
        if run.crash:
            outcome.crashes += 1
            outcome.first_crash = outcome.first_crash or f"seed {run.seed}: {run.crash}"
        if run.failure:
            outcome.failures += 1
            outcome.first_failure = outcome.first_failure or f"seed {run.seed}: {run.failure}"
        kills = mutant.kills(run.detectors) if mutant and not mutant.equivalent else run.detectors
        if run.failure:
            kills = []
        if history_only:  # an assertion of the system speaks for no stranger's system
            kills = [name for name in kills if name.startswith("H")]
        if kills:
            outcome.killed_by, outcome.seed, outcome.why = kills, run.seed, run.why
            also |= set(run.detectors) - set(kills)
            break
        also |= {name.split(":")[0] if name.startswith("H") else name for name in run.detectors}
        if outcome.cpu > cpu_limit:
            break
    outcome.also = sorted(also)
    return outcome
