"""The columns of the kill matrix: what of a run each preset decides; the rest is drawn from the seed."""

PRESETS = {
    "none": {"nemesis": []},
    "kill": {"nemesis": ["kill"]},
    "partition": {"nemesis": ["partition"]},
    "directed": {"nemesis": ["directed"]},
    "frames": {"nemesis": ["packet"]},
    "power": {"nemesis": ["power", "crash"]},
    "io": {"nemesis": ["disk"]},
    "pause": {"nemesis": ["pause"]},
    "clock": {"nemesis": ["clock"]},
    "membership": {"nemesis": ["membership"]},
    "snapshot": {"nemesis": ["partition"], "snapshot_entries": 20},
    "swarm": {},
}
