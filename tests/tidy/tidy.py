#!/usr/bin/env python3
"""Holds the source tree against the house rules: who may include whom, what pure rooms may not touch, how files open.

usage: tidy.py ROOT    prints one line per finding, exits 1 if there is any.

The include table is the one of the architecture: a room may include itself and the rooms named here, nothing else. A room is the
longest matching folder prefix. Public headers (faultline/*.hpp) of the exported rooms may include only the standard library.
"""
import pathlib
import re
import sys

# room: (rooms it may include, and single files of others; pure?)
ROOMS = {
    'history/base': ((), True),
    'history': (('history/base',), True),
    'checker': (('history',), True),
    'workloads': (('history', 'checker'), True),
    'nemesis': (('history', 'workloads'), True),
    'reports': (('history', 'checker'), True),
    'adapters/sim': (('history', 'workloads', 'nemesis'), True),
    'adapters/live/clock': (('history/base',), False),
    'adapters/live/disk': (('history/base',), False),
    'adapters/live': (('history', 'workloads', 'nemesis', 'adapters/live/clock', 'adapters/live/disk'), False),
    'adapters/live/ssh': (('history/base',), False),
    'adapters/live/agent': (('history', 'nemesis', 'adapters/live', 'adapters/live/clock', 'adapters/live/disk',
                             'adapters/raft/control/peer_framer.hpp', 'reports/sha256.hpp'), False),
    'adapters/live/remote': (('history', 'workloads', 'nemesis', 'adapters/live', 'adapters/live/clock', 'adapters/live/ssh',
                              'adapters/live/agent/clock_json.hpp', 'adapters/live/agent/disk_json.hpp',
                              'adapters/live/agent/traffic_json.hpp', 'reports/sha256.hpp'), False),
    'adapters/raft/core': (('history/base',), True),
    'adapters/raft/kv': (('history/base', 'adapters/raft/core'), True),
    'adapters/raft/storage': (('history/base', 'adapters/raft/core'), True),
    'adapters/raft/gateway': (('history/base', 'adapters/raft/core', 'adapters/raft/kv'), True),
    'adapters/raft/host': (('history/base', 'adapters/raft/core', 'adapters/raft/kv', 'adapters/raft/storage'), True),
    'adapters/raft/control': (('history', 'workloads', 'nemesis', 'adapters/live', 'adapters/etcd'), False),
    'adapters/raft/daemon': (('history', 'adapters/raft/core', 'adapters/raft/kv', 'adapters/raft/storage', 'adapters/raft/host',
                              'adapters/raft/gateway', 'adapters/live'), False),
    'adapters/raft/sim': (('history', 'checker', 'workloads', 'nemesis', 'adapters/raft/core', 'adapters/raft/kv',
                           'adapters/raft/storage', 'adapters/raft/host', 'adapters/raft/gateway', 'adapters/sim',
                           'adapters/etcd/faultline/etcd/codec.hpp'), True),
    'adapters/serve': (('history', 'checker', 'reports'), False),
    'adapters/etcd': (('history', 'workloads', 'nemesis', 'adapters/live'), False),
    'adapters/redis': (('history', 'workloads', 'nemesis', 'adapters/live'), False),
    # The plan, the records and the triage of campaigns: pure, beside the table of options that the plan is checked against.
    'adapters/cli/night': (('history', 'reports', 'adapters/cli/options.hpp', 'adapters/cli/units.hpp'), True),
    'adapters/cli': (None, False),
    'tests': (None, False),
}
EXPORTED = ('history/base', 'history', 'checker', 'workloads', 'nemesis', 'reports')
THREADS_ALLOWED = ('checker/parallel.cpp',)
LONGEST_FILE = 700

BANNED_IN_PURE = [
    (r'\b(system|steady|high_resolution|utc|file)_clock\b', 'reads a clock: take the time as an argument'),
    (r'\bclock_gettime\b|\bgettimeofday\b|\bstd::time\s*\(|[^_:\w.>]time\s*\(\s*(NULL|nullptr|0)\s*\)', 'reads a clock'),
    (r'\brandom_device\b|\bstd::rand\b|\bsrand\b|\bmt19937', 'draws randomness of its own: take an Rng&'),
    (r'\b(uniform_int|uniform_real|bernoulli|normal|exponential|poisson|geometric|discrete)_distribution\b|\bstd::shuffle\b',
     'differs between standard libraries: use Rng'),
    (r'#\s*include\s*<(sys/socket|netinet/|arpa/|netdb|boost/asio|boost/beast)', 'opens sockets'),
    (r'\bgetenv\b', 'reads the environment'),
]
BANNED_THREADS = (r'\bstd::(jthread|thread|mutex|shared_mutex|condition_variable|async|future)\b'
                  r'|#\s*include\s*<(thread|mutex|condition_variable|future|shared_mutex)>', 'uses threads')


def room_of(path):
    parts = path.split('/')
    for length in range(len(parts) - 1, 0, -1):
        room = '/'.join(parts[:length])
        if room in ROOMS:
            return room
    return None


def allowed_rooms(room):
    rooms = {room, *ROOMS[room][0]}
    return rooms | {'history/base'} if 'history' in rooms else rooms


def strip_comments(text):
    text = re.sub(r'/\*.*?\*/', lambda m: '\n' * m.group().count('\n'), text, flags=re.S)
    return re.sub(r'//[^\n]*', '', text)


def strip_strings(text):
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def sources(root):
    for top in ('history', 'checker', 'workloads', 'nemesis', 'reports', 'adapters', 'tests'):
        for path in sorted((root / top).rglob('*')):
            if path.suffix in ('.cpp', '.hpp', '.h') and 'node_modules' not in path.parts:
                yield path.relative_to(root).as_posix(), path.read_text(encoding='utf-8', errors='replace')


def check_includes(files, findings):
    public = {}
    for path in files:
        found = re.search(r'(?:^|/)(faultline/.*\.hpp)$', path)
        if found and not path.startswith('tests/'):
            public[found.group(1)] = path
    for path, text in files.items():
        room = room_of(path)
        if room is None:
            findings.append(f'{path}:1: lies in no room of the architecture')
            continue
        rooms = None if ROOMS[room][0] is None else allowed_rooms(room)
        is_public = room in EXPORTED and '/faultline/' in '/' + path
        for number, line in enumerate(strip_comments(text).split('\n'), 1):
            found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not found:
                continue
            name = found.group(2)
            if name in public:
                target = public[name]
            elif found.group(1) == '"':
                beside = (pathlib.PurePosixPath(path).parent / name).as_posix()
                within = f'{room}/{name}'
                target = next((c for c in (beside, within, name) if c in files), None)
                if target is None:
                    continue
            else:
                if is_public and ('/' in name or name.endswith('.h')):
                    findings.append(f'{path}:{number}: a public header may include only the standard library, not <{name}>')
                continue
            target_room = room_of(target)
            if rooms is not None and target_room not in rooms and target not in rooms:
                findings.append(f'{path}:{number}: {room} may not include {target_room} ({name})')
            if is_public and '/faultline/' not in '/' + target:
                findings.append(f'{path}:{number}: a public header may not include the private {name}')


def check_purity(files, findings):
    unordered = {}
    for path, text in files.items():
        for found in re.finditer(r'unordered_(?:multi)?(?:map|set)\s*<[^;{}()]*>\s+(\w+)', strip_comments(text)):
            unordered.setdefault(room_of(path), set()).add(found.group(1))
    for path, text in files.items():
        room = room_of(path)
        if room is None or not ROOMS[room][1]:
            continue
        names = unordered.get(room, set())
        loop = re.compile(r'for\s*\([^;()]*:\s*(?:\w+(?:\.|->))*(\w+)\s*\)|\b(\w+)\.(?:c?begin)\s*\(')
        for number, line in enumerate(strip_strings(strip_comments(text)).split('\n'), 1):
            for pattern, why in BANNED_IN_PURE:
                if re.search(pattern, line):
                    findings.append(f'{path}:{number}: a pure room {why}')
            if path not in THREADS_ALLOWED and re.search(BANNED_THREADS[0], line):
                findings.append(f'{path}:{number}: a pure room {BANNED_THREADS[1]}')
            for found in loop.finditer(line):
                if (found.group(1) or found.group(2)) in names:
                    findings.append(f'{path}:{number}: iterates the unordered container {found.group(1) or found.group(2)}')


def check_shape(files, findings):
    for path, text in files.items():
        lines = text.count('\n')
        if lines > LONGEST_FILE:
            findings.append(f'{path}:{LONGEST_FILE}: {lines} lines; divide it')
        if path.endswith('.hpp') and not text.startswith('//'):
            findings.append(f'{path}:1: a header opens with prose: what it is, who owns it, threads, units, errors')
        if path.endswith('.hpp') and '#pragma once' not in text:
            findings.append(f'{path}:1: no #pragma once')
        if re.search(r'[ \t]+$', text, flags=re.M):
            number = next(i for i, line in enumerate(text.split('\n'), 1) if line != line.rstrip())
            findings.append(f'{path}:{number}: trailing white space')


def main():
    root = pathlib.Path(sys.argv[1])
    files = dict(sources(root))
    findings = []
    check_includes(files, findings)
    check_purity(files, findings)
    check_shape(files, findings)
    for finding in findings:
        print(finding)
    print(f'{len(files)} files, {len(findings)} findings')
    return 1 if findings or not files else 0


if __name__ == '__main__':
    sys.exit(main())
