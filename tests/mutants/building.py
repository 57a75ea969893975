"""Builds the simulator's driver, clean or with one planted bug, as fast as possible.

An object file is known by what went into it: the compiler's options, its source and everything that the source includes
from the tree. So a mutant compiles only what its patch touches, an unchanged tree compiles nothing, and two builds may
share one cache."""

import concurrent.futures
import functools
import hashlib
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from patches import Mutant, apply

WARNINGS = """-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Woverloaded-virtual
-Wold-style-cast -Wimplicit-fallthrough -Wno-missing-field-initializers -Werror -Wno-restrict -Wno-maybe-uninitialized
-Wduplicated-cond -Wlogical-op""".split()
OPTIONS = ["-std=c++20", "-O1", *WARNINGS]
LIBRARIES = ["-lfmt", "-lsimdjson", "-pthread"]

# The rooms a program needs: folder, and which of its sources (the codec of etcd is pure, the rest of that room is not).
CHECKER_ROOMS = {"history": ["*.cpp", "base/*.cpp"],
                 "checker": ["*.cpp", "search/*.cpp", "register/*.cpp", "monitors/*.cpp", "proof/*.cpp", "online/*.cpp"]}
SIMULATOR_ROOMS = CHECKER_ROOMS | {
    "workloads": ["*.cpp"], "nemesis": ["*.cpp"], "adapters/sim": ["*.cpp"],
    "adapters/etcd": ["codec.cpp", "reply.cpp", "text.cpp"],
    "adapters/raft/core": ["*.cpp"], "adapters/raft/kv": ["*.cpp"], "adapters/raft/storage": ["*.cpp"],
    "adapters/raft/gateway": ["*.cpp"], "adapters/raft/host": ["*.cpp"], "adapters/raft/sim": ["*.cpp"]}
EXCLUDED = {"adapters/raft/storage/posix_disk.cpp"}
PROGRAMS = {"drive": SIMULATOR_ROOMS, "judge": CHECKER_ROOMS}

INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)


class BuildError(Exception):
    pass


class Tree:
    """The sources, some of them replaced."""

    def __init__(self, root: Path, replaced: dict[str, str] | None = None):
        self.root = root
        self.replaced = {path: text.encode() for path, text in (replaced or {}).items()}
        self._digests: dict[str, bytes] = {}

    @functools.lru_cache(maxsize=None)
    def read(self, path: str) -> bytes | None:
        if path in self.replaced:
            return self.replaced[path]
        file = self.root / path
        return file.read_bytes() if file.is_file() else None

    def sources(self, rooms: dict[str, list[str]]) -> list[str]:
        found = [str(file.relative_to(self.root)) for room, globs in rooms.items() for glob in globs
                 for file in sorted((self.root / room).glob(glob))]
        return [path for path in found if path not in EXCLUDED]

    @functools.lru_cache(maxsize=None)
    def _includes(self, path: str) -> tuple[str, ...]:
        """What the file includes from the tree, directly."""
        found = []
        for kind, name in INCLUDE.findall(self.read(path) or b""):
            name = name.decode()
            near = [os.path.normpath(os.path.join(os.path.dirname(path), name))] if kind == b'"' else []
            for candidate in [*near, *(f"{folder}/{name}" for folder in include_folders(path))]:
                if self.read(candidate) is not None:
                    found.append(candidate)
                    break
        return tuple(found)

    def needs(self, path: str) -> list[str]:
        """The file and all that it includes from the tree, in a fixed order."""
        seen, waiting = {path}, [path]
        while waiting:
            for included in self._includes(waiting.pop()):
                if included not in seen:
                    seen.add(included)
                    waiting.append(included)
        return sorted(seen)

    def digest(self, path: str) -> str:
        """Of everything the object of this source depends on."""
        sum_ = hashlib.sha256("\0".join(OPTIONS).encode())
        for name in self.needs(path):
            sum_.update(name.encode() + b"\0" + hashlib.sha256(self.read(name) or b"").digest())
        return f"{sum_.hexdigest()[:24]}-{Path(path).stem}"


def include_folders(path: str) -> list[str]:
    own = [room for room in SIMULATOR_ROOMS if path.startswith(room + "/")]
    return [*own, *(room for room in SIMULATOR_ROOMS if room not in own), "history/base"]


@dataclass
class Builder:
    root: Path
    cache: Path
    jobs: int
    compiler: str = os.environ.get("CXX", "g++")

    def __post_init__(self):
        for folder in ("objects", "programs"):
            (self.cache / folder).mkdir(parents=True, exist_ok=True)

    def build(self, program: str, mutant: Mutant | None = None) -> Path:
        """The program, compiled and linked only if nothing the same is in the cache."""
        tree = Tree(self.root, apply(mutant, self.root) if mutant else {})
        sources = [*tree.sources(PROGRAMS[program]), f"tests/mutants/{program}.cpp"]
        objects = self._compile(tree, sources)
        key = hashlib.sha256("\0".join(str(file.name) for file in objects).encode()).hexdigest()[:24]
        built = self.cache / "programs" / f"{program}-{mutant.id if mutant else 'clean'}-{key}"
        if not built.exists():
            self._run([self.compiler, *map(str, objects), "-fuse-ld=gold", *LIBRARIES, "-o"], built, self.root)
        return built

    def compile_changed(self, mutant: Mutant) -> int:
        """Compiles what the patch touches, without a program; how many sources that were."""
        clean, tree = Tree(self.root), Tree(self.root, apply(mutant, self.root))
        changed = [path for path in tree.sources(SIMULATOR_ROOMS) if clean.digest(path) != tree.digest(path)]
        self._compile(tree, changed)
        return len(changed)

    def _compile(self, tree: Tree, sources: list[str]) -> list[Path]:
        objects = [self.cache / "objects" / f"{tree.digest(path)}.o" for path in sources]
        missing = [(path, file) for path, file in zip(sources, objects) if not file.exists()]
        if not missing:
            return objects
        with tempfile.TemporaryDirectory(dir=self.cache, prefix="tree-") as scratch:
            for path in {name for source, _ in missing for name in tree.needs(source)}:
                (Path(scratch) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(scratch) / path).write_bytes(tree.read(path) or b"")
            with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
                for done in [pool.submit(self._compile_one, scratch, *one) for one in missing]:
                    done.result()
        return objects

    def _compile_one(self, scratch: str, path: str, file: Path) -> None:
        # From within the tree and by relative names, so that no object knows where it was compiled.
        folders = [f"-I{folder}" for folder in include_folders(path) if (Path(scratch) / folder).is_dir()]
        self._run([self.compiler, *OPTIONS, *folders, "-c", path, "-o"], file, Path(scratch))

    def _run(self, command: list[str], output: Path, folder: Path) -> None:
        # Under another name first: a build that was interrupted leaves nothing behind that looks finished.
        handle, name = tempfile.mkstemp(dir=output.parent, prefix=".", suffix=".new")
        os.close(handle)
        done = subprocess.run([*command, name], cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            os.unlink(name)
            raise BuildError(f"{' '.join(command[-4:])} {output.name}:\n{done.stderr[:4000]}")
        os.chmod(name, 0o755)
        os.replace(name, output)
