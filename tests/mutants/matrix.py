"""The kill matrix: for each planted bug and each preset of faults, after how many seeds it is found, and how often."""

import concurrent.futures
import json
import statistics
from pathlib import Path

from campaign import search

SEEDS_CAP = 10000
MODES = {"all": False, "H": True}  # whether the history alone may speak


class Results:
    """What is known of the cells, one file each, so that a stopped matrix goes on where it was."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def file(self, program: Path, preset: str, mode: str, part: int) -> Path:
        return self.folder / f"{program.name}-{preset}-{mode}-{part}.json"

    def get(self, file: Path, seeds: int, cpu: float) -> dict | None:
        """Nothing if less was tried then than may be tried now."""
        if not file.exists():
            return None
        known = json.loads(file.read_text())
        enough = known["killed_by"] or known["seeds"] >= seeds or known["cpu"] >= cpu
        return known if enough else None


def cell(found: list[dict]) -> str:
    kills = [one for one in found if one["killed_by"]]
    if not found:
        return ""
    if not kills:
        return f"- ({sum(one['seeds'] for one in found)})"
    return f"{statistics.median_high(one['seeds'] for one in kills)} ({len(kills)}/{len(found)})"


def row(mutant, known: dict, presets: list[str], mode: str) -> list[str]:
    return [cell(known.get((mutant.id, preset, mode), [])) for preset in presets]


def best(mutant, known: dict, presets: list[str]) -> str:
    """The least CPU time in which a preset found it, as a median over the ranges that did; and what found it."""
    times = []
    for preset in presets:
        found = known.get((mutant.id, preset, "all"), [])
        kills = [one for one in found if one["killed_by"]]
        if 2 * len(kills) >= max(1, len(found)) and kills:
            by = sorted({name for one in kills for name in one["killed_by"]})
            times.append((statistics.median(one["cpu"] for one in kills), preset, " ".join(by)))
    return f"{min(times)[0]:.1f} s, {min(times)[1]}: {min(times)[2]}" if times else "-"


def table(mutants, known: dict, presets: list[str], mode: str, last: bool) -> str:
    heads = ["mutant", *presets, *(["fastest, and by what"] if last else [])]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for mutant in mutants:
        cells = row(mutant, known, presets, mode)
        lines.append(f"| {' | '.join([mutant.name, *cells, *([best(mutant, known, presets)] if last else [])])} |")
    return "\n".join(lines) + "\n"


def cap(seeds: int, cpu: float) -> str:
    return f"{seeds} seeds" + (f" or {cpu:g} s of CPU time" if cpu != float("inf") else "")


def text(mutants, known: dict, arguments, limits: dict) -> str:
    presets = arguments.presets
    found = [m for m in mutants if any(one["killed_by"] for p in presets for one in known.get((m.id, p, "all"), []))]
    alone = [m for m in mutants if any(one["killed_by"] for p in presets for one in known.get((m.id, p, "H"), []))]
    tried = [m for m in mutants if any(known.get((m.id, p, "H")) for p in presets)]
    seeds = arguments.seeds or SEEDS_CAP
    return f"""# Kill matrix

Written by `tests/mutants/runner matrix`. A cell: the median of the seeds it took, and in how many of the disjoint ranges of
seeds the bug was found at all; `- (n)`: not in any of n seeds. A range ends at {cap(seeds, limits["all"])}, if not before; for
the history alone at {cap(seeds, limits["H"])}. An empty cell was not measured. One range is an anecdote, twenty are a figure.
Found by some preset: {len(found)} of {len(mutants)}; by the history alone: {len(alone)} of the {len(tried)} tried.

## All detectors

{table(mutants, known, presets, "all", True)}
## The history alone

{table(mutants, known, presets, "H", False)}"""


def run(mutants, arguments, builder, options_for, output: Path) -> int:
    results = Results(builder.cache / "results")
    seeds = arguments.seeds or SEEDS_CAP
    limits = {"all": arguments.cpu, "H": arguments.cpu if arguments.history_cpu is None else arguments.history_cpu}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        programs = dict(zip([m.id for m in mutants], pool.map(lambda m: builder.build("drive", m), mutants)))

        def measure(mutant, preset, mode, part):
            file = results.file(programs[mutant.id], preset, mode, part)
            known = results.get(file, seeds, limits[mode])
            if known is None and not arguments.write_only:
                options = options_for(mutant, preset, arguments.option)
                outcome = search(programs[mutant.id], mutant, options, arguments.first + part * SEEDS_CAP, seeds,
                                 MODES[mode], limits[mode])
                known = outcome.as_dict()
                file.write_text(json.dumps(known))
            elif known is None and file.exists():
                known = json.loads(file.read_text())
            return (mutant.id, preset, mode), known

        # A matrix that is stopped has one range of each cell rather than all of some; the history alone, which costs most, comes last.
        waiting = [pool.submit(measure, mutant, preset, mode, part) for mode in MODES for part in range(arguments.ranges)
                   for mutant in mutants for preset in arguments.presets]
        known: dict = {}
        for count, done in enumerate(concurrent.futures.as_completed(waiting), 1):
            place, outcome = done.result()
            if outcome:
                known.setdefault(place, []).append(outcome)
            if count % 50 == 0:
                print(f"{count} of {len(waiting)} cells", flush=True)
    output.write_text(text(mutants, known, arguments, limits))
    print(f"wrote {output}")
    return 0
