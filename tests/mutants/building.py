"""Builds the simulator's driver with a planted bug, out of a build of the tree that is there already.

A mutant compiles only the sources that its patch touches, itself or through headers, with the very commands of that build, and links
them in front of that build's archives: of what an archive has, too, the linker takes the object named first. So the clean program is
the build's own, and 45 mutants cost some hundred objects. An object is known by its command and everything it includes from the tree;
two runs may share one cache."""

import concurrent.futures
import functools
import hashlib
import os
import re
import shlex
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from patches import Mutant, apply

INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)
PROGRAMS = {"drive": "mutants_drive", "judge": "mutants_judge", "faultline": "faultline"}
# What costs time to compile and finds nothing in one scripted run: optimisation, sanitizers, names for a debugger.
SLOW = re.compile(r"-O\w*|-g\w*|-fsanitize=.*|-fno-sanitize.*|-D_GLIBCXX_ASSERTIONS")


class BuildError(Exception):
    pass


class Tree:
    """The sources, some of them replaced."""

    def __init__(self, root: Path, folders: list[str], replaced: dict[str, str] | None = None):
        self.root, self.folders = root, folders  # folders: where <…> is looked for, relative to the root
        self.replaced = {path: text.encode() for path, text in (replaced or {}).items()}

    @functools.lru_cache(maxsize=None)
    def read(self, path: str) -> bytes | None:
        if path in self.replaced:
            return self.replaced[path]
        file = self.root / path
        return file.read_bytes() if file.is_file() else None

    @functools.lru_cache(maxsize=None)
    def _includes(self, path: str) -> tuple[str, ...]:
        """What the file includes from the tree, directly."""
        found = []
        for kind, name in INCLUDE.findall(self.read(path) or b""):
            name = name.decode()
            near = [os.path.normpath(os.path.join(os.path.dirname(path), name))] if kind == b'"' else []
            for candidate in [*near, *(f"{folder}/{name}" for folder in self.folders)]:
                if os.path.isabs(candidate):  # as a batch of sources names them
                    candidate = os.path.relpath(candidate, self.root)
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

    def digest(self, path: str, command: str = "") -> str:
        """Of everything the object of this source depends on."""
        sum_ = hashlib.sha256(command.encode())
        for name in self.needs(path):
            sum_.update(name.encode() + b"\0" + hashlib.sha256(self.read(name) or b"").digest())
        return f"{sum_.hexdigest()[:24]}-{Path(path).stem}"


@dataclass
class Recipe:
    """How a build makes one program: a command for each source, and the link."""
    sources: dict[str, list[str]] = field(default_factory=dict)  # by path in the tree; without source and output
    link: list[str] = field(default_factory=list)
    output: str = ""


def recipe_of(commands: str, root: Path) -> Recipe:
    """From what `ninja -t commands` prints."""
    recipe = Recipe()
    for line in commands.splitlines():
        words = [word for word in shlex.split(line) if word not in (":", "&&")]
        if "-c" in words:
            source = Path(words[words.index("-c") + 1])
            kept, skip = [], False
            for word in words:
                if not skip and word not in ("-c", "-o", "-MD", "-MT", "-MF"):
                    kept.append(word)
                skip = word in ("-c", "-o", "-MT", "-MF")
            if source.is_relative_to(root):
                recipe.sources[str(source.relative_to(root))] = kept
        elif "-o" in words:
            recipe.link, recipe.output = words, words[words.index("-o") + 1]
    return recipe


class Builder:
    """`build`: a configured build directory of Ninja's. With `quick`, what is compiled here is not optimised: for single runs."""

    def __init__(self, root: Path, build: Path, jobs: int, quick: bool = False):
        self.root, self.folder, self.jobs, self.quick = root, build, jobs, quick
        self.cache = build / "mutants"
        for folder in ("objects", "programs", "results"):
            (self.cache / folder).mkdir(parents=True, exist_ok=True)

    def configure(self, programs: tuple[str, ...] = ("drive", "judge")) -> None:
        """A release build of its own, with these programs."""
        environment = dict(os.environ)
        steps = [["cmake", "-S", self.root, "-B", self.folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DFAULTLINE_TESTS=ON"],
                 ["cmake", "--build", self.folder, "-j", str(self.jobs), "--target", *(PROGRAMS[name] for name in programs)]]
        for step in steps:
            done = subprocess.run([str(word) for word in step], capture_output=True, text=True, env=environment)
            if done.returncode != 0:
                raise BuildError(f"{shlex.join(map(str, step))}:\n{(done.stdout + done.stderr)[-4000:]}")

    @functools.lru_cache(maxsize=None)
    def recipe(self, program: str) -> Recipe:
        done = subprocess.run(["ninja", "-C", str(self.folder), "-t", "commands", PROGRAMS[program]], capture_output=True, text=True)
        lines = "\n".join(line for line in done.stdout.splitlines() if not line.startswith("ninja: "))
        recipe = recipe_of(lines, self.root)
        if done.returncode != 0 or not recipe.link or not (self.folder / recipe.output).exists():
            raise BuildError(f"{self.folder} holds no built {PROGRAMS[program]}: cmake --build {self.folder} --target {PROGRAMS[program]}")
        return recipe

    @functools.lru_cache(maxsize=None)
    def folders(self) -> list[str]:
        found: list[str] = []
        for words in self.recipe("drive").sources.values():
            for word in words:
                folder = Path(word[2:])
                if word.startswith("-I") and folder.is_relative_to(self.root):
                    found.append(str(folder.relative_to(self.root)))
        return sorted(set(found))

    @functools.lru_cache(maxsize=None)
    def _archives(self, program: str) -> str:
        """A digest of what the clean build puts behind a mutant's objects."""
        sum_ = hashlib.sha256()
        for word in self.recipe(program).link:
            if word.endswith((".a", ".o")):
                sum_.update((self.folder / word).read_bytes())
        return sum_.hexdigest()

    def build(self, program: str, mutant: Mutant | None = None) -> Path:
        recipe = self.recipe(program)
        if mutant is None:
            return self.folder / recipe.output
        objects = self._objects(program, mutant)
        names = "\0".join(file.name for file in objects)
        key = hashlib.sha256(f"{names}\0{self._archives(program)}".encode()).hexdigest()[:24]
        built = self.cache / "programs" / f"{program}-{mutant.id}-{key}"
        if not built.exists():
            for old in self.cache.glob(f"programs/{program}-{mutant.id}-*"):
                old.unlink(missing_ok=True)
            words = list(recipe.link)
            output = words.index("-o")
            del words[output:output + 2]
            first = next(i for i, word in enumerate(words) if word.endswith((".a", ".o")))
            words[first:first] = map(str, objects)
            self._run([*words, "-fuse-ld=gold", "-Wl,-S", "-o"], built, self.folder)
        return built

    def compile_changed(self, mutant: Mutant) -> int:
        """Compiles what the patch touches, without a program; how many sources that were."""
        return len(self._objects("drive", mutant))

    def _objects(self, program: str, mutant: Mutant) -> list[Path]:
        sources = self.recipe(program).sources
        clean, tree = Tree(self.root, self.folders()), Tree(self.root, self.folders(), apply(mutant, self.root))
        changed = [path for path in sources if set(tree.needs(path)) & set(mutant.files) and clean.digest(path) != tree.digest(path)]
        for path in changed:
            if "/Unity/" in path:
                raise BuildError(f"{mutant.id} changes what is compiled in a batch, {path}: the room's CMakeLists.txt must not say BATCHED")
        objects = [self.cache / "objects" / f"{tree.digest(path, shlex.join(self._command(sources[path])))}.o" for path in changed]
        missing = [(path, file) for path, file in zip(changed, objects) if not file.exists()]
        if not missing:
            return objects
        with tempfile.TemporaryDirectory(dir=self.cache, prefix="tree-") as scratch:
            for path in {name for source, _ in missing for name in tree.needs(source)}:
                (Path(scratch) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(scratch) / path).write_bytes(tree.read(path) or b"")
            with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
                for done in [pool.submit(self._compile, scratch, sources[path], path, file) for path, file in missing]:
                    done.result()
        return objects

    def _command(self, words: list[str]) -> list[str]:
        return [word for word in words if not SLOW.fullmatch(word)] + ["-O0"] if self.quick else words

    def _compile(self, scratch: str, words: list[str], path: str, file: Path) -> None:
        # From within the scratch tree and by relative names, so that no object knows where it was compiled.
        inside = []
        for word in self._command(words):
            folder = Path(word[2:])
            inside.append(f"-I{folder.relative_to(self.root)}" if word.startswith("-I") and folder.is_relative_to(self.root) else word)
        self._run([*inside, "-c", path, "-o"], file, Path(scratch))

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
