#!/usr/bin/env python3
"""Holds the JSON gateway of a server against etcd 3.4.23's.

usage: run.py [--against 'RAFTD [FLAG…]'] [--only SCRIPT]… [--fuzz FROM..TO]

Plays scripts/*.txt on a cluster of three of Debian's etcd and compares the normalised replies with those in the scripts. With
--against a cluster of three raftd, started by that command and the flags --id --cluster --listen --data, plays them as well; it
must answer as etcd, but for the differences allowed in differences.txt, each with its reason. A difference that is allowed and
does not show is a failure too. --fuzz plays random scripts of these seeds as well, on both. FL_REWRITE=1 writes etcd's replies into
the scripts.

Exit code: 0 equal, 1 not, 3 a cluster failed.
"""
import argparse
import atexit
import concurrent.futures
import os
import pathlib
import signal
import sys
import time

import cluster
import fuzz
import normalise
import play
import script

HERE = pathlib.Path(__file__).parent
ATTEMPTS = 4
CLUSTERS_MAX = 12  # at a time
ETCD = 'etcd 3.4.23'


def play_on(command, wanted):
    """Elections that nobody asked for happen on a busy machine: then all is asked again, of a new cluster."""
    for attempt in range(ATTEMPTS):
        try:
            with cluster.Cluster(command) as members:
                try:
                    return play.Player(members).play(wanted)
                except (cluster.Failed, OSError) as error:
                    raise cluster.Failed(f'{wanted.name}: {error}\n{members.log()}') from error
        except play.LeaderMoved as moved:
            print(f'{wanted.name}: the leader changed during "{moved}"; once more', file=sys.stderr)
    raise cluster.Failed(f'{wanted.name}: no run of {ATTEMPTS} without an election')


def compare(golden, played, who):
    """What differs, for people."""
    found = []
    for case, other in zip(golden.cases, played.cases):
        for step, answered in zip(case.steps, other.steps):
            if not normalise.equal(step.reply, answered.reply):
                found.append('\n'.join([f'{golden.name}: {case.title}', f'  {step.text}', *(f'  > {b}' for b in step.body),
                                        *(f'  - {line}' for line in step.reply),
                                        *(f'  + {line}' for line in answered.reply), f'  (+ is {who})']))
    return found


def allow(golden, differences, unused):
    """The replies wanted of the other server: the golden ones with the allowed differences in their place."""
    for case in golden.cases:
        other = differences.get((golden.name, case.title))
        for step in other.steps if other else ():
            places = [s for s in case.steps if s.text == step.text and (not step.body or s.body == step.body)]
            if len(places) == 1 and not normalise.equal(places[0].reply, step.reply):
                places[0].reply = step.reply
                unused.discard((golden.name, case.title, step.text))
    return golden


def read_differences(path):
    """(script, case) -> case. Each case has its reason as a comment above it."""
    parsed = script.parse(path)
    for case in parsed.cases:
        if not case.comments or '/' not in case.title:
            raise script.Malformed(f'{path}: "{case.title}" needs its script, a slash, its title, and a reason above it')
    return {tuple(case.title.split('/', 1)): case for case in parsed.cases}


def main():
    parser = argparse.ArgumentParser(add_help=True)
    parser.add_argument('--against', metavar='COMMAND')
    parser.add_argument('--only', action='append', default=[])
    parser.add_argument('--fuzz', metavar='FROM..TO')
    arguments = parser.parse_args()
    if not os.access('/usr/bin/etcd', os.X_OK):
        print('etcd not present')
        return 0
    start = time.monotonic()
    # The slow ones first: they wait for clusters without a quorum.
    paths = sorted(HERE.glob('scripts/*.txt'), key=lambda p: (not p.stem.startswith('no_quorum'), p))
    scripts = [script.parse(p) for p in paths if not arguments.only or p.stem in arguments.only]
    recorded = len(scripts)
    if arguments.fuzz:
        first, last = map(int, arguments.fuzz.split('..'))
        scripts += [fuzz.Generator(seed).script(f'random_{seed}') for seed in range(first, last + 1)]
    # A thread per script and server, in which its cluster lives.
    with concurrent.futures.ThreadPoolExecutor(CLUSTERS_MAX) as pool:
        of_etcd = [pool.submit(play_on, None, s) for s in scripts]
        of_other = [pool.submit(play_on, arguments.against, s) for s in scripts] if arguments.against else []
        findings = []
        for wanted, played in zip(scripts[:recorded], of_etcd):
            if os.environ.get('FL_REWRITE') == '1':
                (HERE / 'scripts' / f'{wanted.name}.txt').write_text(script.print_script(played.result()), encoding='utf-8')
            else:
                findings += compare(wanted, played.result(), ETCD)
        if arguments.against:
            differences = read_differences(HERE / 'differences.txt')
            unused = {(*where, step.text) for where, case in differences.items() for step in case.steps
                      if where[0] in {s.name for s in scripts}}
            for wanted, played in zip(of_etcd, of_other):
                findings += compare(allow(wanted.result(), differences, unused), played.result(), arguments.against)
            findings += [f'allowed and not needed: {" / ".join(where)}' for where in sorted(unused)]
    for finding in findings:
        print(finding)
    print(f'{sum(map(script.requests_in, scripts))} requests, {len(findings)} differences, {time.monotonic() - start:.1f} s')
    return 1 if findings else 0


def interrupted(*_):
    cluster.stop_all()
    sys.exit(130)


if __name__ == '__main__':
    atexit.register(cluster.stop_all)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        sys.exit(main())
    except cluster.Failed as error:
        print(error, file=sys.stderr)
        sys.exit(3)
