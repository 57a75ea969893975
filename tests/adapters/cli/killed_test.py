#!/usr/bin/env python3
"""Kills a running faultline at random moments, and looks whether the next one leaves the machine as it was.

usage: killed_test.py FAULTLINE [--kills N] [--nemesis a,b] [--target raft|etcd] [--seed S]

Each round starts `faultline run`, kills it with SIGKILL at a moment drawn between its start and its end, lets `faultline doctor --heal`
undo what it left, and then looks for itself, without the journal: processes that carry the run's mark, network namespaces, mounts, control
groups, firewall tables, scratch folders, journals. In the end a run on the same machine must be valid.
"""
import argparse
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

LONGEST_RUN_SECONDS = 12.0
HEAL_LIMIT_SECONDS = 120


def output_of(*command):
    """What a tool of the machine prints; nothing where there is no such tool."""
    if shutil.which(command[0]) is None:
        return ''
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout.decode('utf-8', 'replace')


def marked_processes(mark):
    """Processes whose environment has the mark, but for those that have ended already."""
    found = []
    for entry in pathlib.Path('/proc').iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if mark.encode() in (entry / 'environ').read_bytes():
                command = (entry / 'cmdline').read_bytes().replace(b'\0', b' ').decode('utf-8', 'replace')
                found.append(f'process {entry.name}: {command}')
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


def left_of(run_ids, folder, mark):
    """Everything of these runs that still exists."""
    left = marked_processes(mark)
    netns = pathlib.Path('/run/netns')
    names = [entry.name for entry in netns.iterdir()] if netns.is_dir() else []
    groups = [str(entry) for run_id in run_ids for entry in pathlib.Path('/sys/fs/cgroup').rglob(f'*{run_id}*')]
    mounts = pathlib.Path('/proc/self/mounts').read_text(encoding='utf-8', errors='replace').split('\n')
    rules = (output_of('nft', 'list', 'ruleset') + output_of('iptables-save') + output_of('ip', '-o', 'link')
             + output_of('losetup', '-a')).split('\n')
    for run_id in run_ids:
        left += [f'namespace {name}' for name in names if run_id in name]
        left += [f'rule or device: {line}' for line in rules if run_id in line]
    left += [f'control group {group}' for group in groups]
    left += [f'mount {line}' for line in mounts if str(folder) in line or any(run_id in line for run_id in run_ids)]
    left += [f'scratch {entry}' for entry in (folder / 'tmp').iterdir()]
    left += [f'journal {entry}' for entry in (folder / 'state').iterdir()]
    return left


def run_once(arguments, folder, environment, seed, moment):
    """One run that is killed after that many seconds; the ids of the runs whose journals lay there then."""
    command = [arguments.faultline, 'run', '--target', arguments.target, '--nemesis', arguments.nemesis, '--time-limit', '8s',
               '--operation-timeout', '1s', '--seed', str(seed), '--out', str(folder / 'runs'), '--quiet']
    log = open(folder / f'{seed}.log', 'wb')
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        process.wait(timeout=moment)
    except subprocess.TimeoutExpired:
        pass
    ids = [entry.stem for entry in (folder / 'state').iterdir()]
    ended = process.poll()
    process.send_signal(signal.SIGKILL)
    process.wait()
    log.close()
    return ids, ended


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('faultline')
    parser.add_argument('--kills', type=int, default=3)
    parser.add_argument('--nemesis', default='partition,kill,pause,membership,clock')
    parser.add_argument('--target', default='raft')
    parser.add_argument('--seed', type=int, default=1)
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix='faultline-killed-'))
    (folder / 'tmp').mkdir()
    (folder / 'state').mkdir()
    mark = f'FL_KILLED_TEST={uuid.uuid4()}'
    environment = {**os.environ, 'TMPDIR': str(folder / 'tmp'), 'FAULTLINE_STATE': str(folder / 'state'),
                   mark.split('=')[0]: mark.split('=')[1]}
    draw = random.Random(arguments.seed)
    problems, killed, dirty = [], 0, 0
    try:
        for round_number in range(arguments.kills):
            moment = draw.uniform(0, LONGEST_RUN_SECONDS)
            ids, ended = run_once(arguments, folder, environment, arguments.seed * 1000 + round_number, moment)
            killed += ended is None
            dirty += ended is None and bool(left_of(ids, folder, mark))
            if ended not in (None, 0, 2):
                problems.append(f'round {round_number}: the run ended by itself with {ended}; see its log')
                print((folder / f'{arguments.seed * 1000 + round_number}.log').read_text(errors='replace')[-2000:])
            healed = subprocess.run([arguments.faultline, 'doctor', '--heal'], env=environment, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, timeout=HEAL_LIMIT_SECONDS, check=False)
            if healed.returncode != 0:
                problems.append(f'round {round_number}: doctor --heal ended with {healed.returncode}: {healed.stdout.decode()}')
            left = left_of(ids, folder, mark)
            deadline = time.monotonic() + 5  # what was told to end may take a moment
            while left and time.monotonic() < deadline:
                time.sleep(0.05)
                left = left_of(ids, folder, mark)
            problems += [f'round {round_number} (killed after {moment:.2f} s): {line}' for line in left]
        served = subprocess.run([arguments.faultline, 'run', '--target', arguments.target, '--nemesis', 'none', '--time-limit', '2s',
                                 '--out', str(folder / 'runs'), '--quiet'], env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, check=False)
        if served.returncode != 0:
            problems.append(f'a run afterwards: {served.stdout.decode()}')
        if arguments.kills > 0 and killed == 0:
            problems.append('no run was killed before it ended')
        if killed > 2 and dirty == 0:
            problems.append('no killed run left anything: these looks cannot fail')
    finally:
        if not problems:
            shutil.rmtree(folder, ignore_errors=True)
    print('\n'.join(problems) if problems else f'{killed} of {arguments.kills} runs killed, {dirty} left something; nothing is left after healing')
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
