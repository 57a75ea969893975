#!/usr/bin/env python3
"""Campaigns that are killed, interrupted, divided and short of disk give the result of one that was left alone.

usage: campaign_test.py FAULTLINE killed|interrupted|shards|full_disk|versions
"""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 280


class Bench:
    def __init__(self, binary):
        self.binary = str(pathlib.Path(binary).resolve())
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='faultline-campaign-'))
        self.campaign = HERE / 'tiny.toml'
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(('SLURM_', 'CI_', 'JOB_', 'FAULTLINE_SHARD'))}
        self.environment['FAULTLINE_STATE'] = str(self.folder / 'state')

    def start(self, *words):
        return subprocess.Popen([self.binary, *map(str, words)], env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, *words):
        process = self.start(*words)
        said = process.communicate(timeout=LIMIT)[0].decode('utf-8', 'replace')
        return process.returncode, said

    def whole(self, out='whole'):
        began = time.monotonic()
        code, said = self.run('campaign', self.campaign, '--out', out)
        assert code in (0, 1, 2), said
        return code, self.result(out), time.monotonic() - began

    def result(self, out):
        return (self.folder / out / 'campaign.json').read_bytes()

    def lines(self, out):
        """The runs that are on disk as done; a torn last line is none."""
        path = self.folder / out / 'results.jsonl'
        if not path.exists():
            return []
        return [json.loads(line)['run'] for line in path.read_bytes().split(b'\n')[1:-1]]

    def children(self, out):
        """Processes that work in this folder."""
        found = []
        for entry in pathlib.Path('/proc').iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / 'cmdline').read_bytes().decode('utf-8', 'replace').split('\0')
                    cwd = os.readlink(entry / 'cwd')
                except OSError:
                    continue
                if cwd == str(self.folder) and any(word.startswith(f'{out}/runs/') for word in words):
                    found.append(int(entry.name))
        return found


def killed(bench):
    code, whole, took = bench.whole()
    seed = int.from_bytes(os.urandom(4), 'big')
    print(f'moments drawn from {seed}')
    moments = random.Random(seed)
    before = []
    for kill in range(10):
        process = bench.start('campaign', bench.campaign, '--out', 'killed')
        time.sleep(moments.uniform(0, took / 2))
        process.kill()
        process.communicate()
        deadline = time.monotonic() + 60
        while bench.children('killed'):
            assert time.monotonic() < deadline, 'children outlived the campaign'
            time.sleep(0.05)
        after = bench.lines('killed')
        assert after[:len(before)] == before, 'what was done is not done any more'
        assert len(set(after)) == len(after), 'a run was done twice'
        print(f'kill {kill + 1}: {len(after)} runs done')
        before = after
    resumed, said = bench.run('campaign', bench.campaign, '--out', 'killed')
    assert resumed == code, said
    after = bench.lines('killed')
    assert after[:len(before)] == before and len(set(after)) == len(after)
    assert bench.result('killed') == whole, 'another result'
    again, said = bench.run('campaign', bench.campaign, '--out', 'killed')
    assert again == code and bench.lines('killed') == after, said
    strangers = {path.name for path in (bench.folder / 'killed' / 'runs').iterdir()} - set(after)
    assert not strangers, strangers


def interrupted(bench):
    code, whole, _ = bench.whole()
    process = bench.start('campaign', bench.campaign, '--out', 'stopped')
    deadline = time.monotonic() + LIMIT
    while len(bench.lines('stopped')) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=LIMIT)[0].decode()
    assert process.returncode == 130, (process.returncode, said)
    assert 'Interrupted' in said and (bench.folder / 'stopped' / 'index.html').exists(), said
    assert not bench.children('stopped')
    resumed, said = bench.run('campaign', bench.campaign, '--out', 'stopped')
    assert (resumed, bench.result('stopped')) == (code, whole), said


def shards(bench):
    code, whole, _ = bench.whole()
    order = random.Random(7)
    for count in (4, 16):
        folders = [f'{count}-{i}' for i in range(1, count + 1)]
        for i, folder in enumerate(folders, 1):
            bench.run('campaign', bench.campaign, '--shard', f'{i}/{count}', '--out', folder)
        order.shuffle(folders)
        merged, said = bench.run('merge', *folders, '--out', f'merged-{count}')
        assert merged == code, said
        assert bench.result(f'merged-{count}') == whole, f'{count} shards: another result'
    merged, said = bench.run('merge', 'whole', '--out', 'again')
    assert (merged, bench.result('again')) == (code, whole), said
    # A run that two folders have counts once; a shard that is missing is not forgotten; another plan is refused.
    merged, said = bench.run('merge', 'whole', '4-1', '--out', 'twice')
    assert (merged, bench.result('twice')) == (code, whole), said
    merged, said = bench.run('merge', '4-1', '4-2', '--out', 'half')
    left = sum(cell['not_run'] for cell in json.loads(bench.result('half'))['cells'])
    assert merged != 0 and left == 8, said
    shutil.copytree(bench.folder / '4-1', bench.folder / 'other')
    results = bench.folder / 'other' / 'results.jsonl'
    results.write_text(re.sub(r'"plan":"\w+"', '"plan":"0"', results.read_text(), count=1))
    merged, said = bench.run('merge', '4-2', 'other', '--out', 'mixed')
    assert merged == 64 and 'another plan' in said and not (bench.folder / 'mixed').exists(), said


def full_disk(bench):
    if os.environ.get('FAULTLINE_TEST_NAMESPACE') != 'yes':
        done = subprocess.run(['unshare', '-rm', 'true'], stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            print('no mount namespace can be made here: passed over')
            return
        subprocess.run(['unshare', '-rm', sys.executable, __file__, bench.binary, 'full_disk'],
                       env={**os.environ, 'FAULTLINE_TEST_NAMESPACE': 'yes'}, check=True)
        return
    code, whole, _ = bench.whole()
    small = bench.folder / 'small'
    small.mkdir()

    def mount(size):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'none', str(small)], check=True)

    mount('1m')
    ended, said = bench.run('campaign', bench.campaign, '--out', 'small/night')
    assert ended == 3 and 'are free, and the runs need' in said and not list(small.iterdir()), said
    subprocess.run(['umount', str(small)], check=True)
    mount('12m')
    process = bench.start('campaign', bench.campaign, '--out', 'small/night')
    deadline = time.monotonic() + LIMIT
    while len(bench.lines('small/night')) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    filler = small / 'filler'
    with open(filler, 'wb', buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    said = process.communicate(timeout=LIMIT)[0].decode()
    assert process.returncode == 3 and 'No space left on device' in said, (process.returncode, said)
    for line in (small / 'night' / 'results.jsonl').read_text().splitlines():
        json.loads(line)
    assert not list((small / 'night').glob('*.part'))
    filler.unlink()
    ended, said = bench.run('campaign', bench.campaign, '--out', 'small/night')
    assert (ended, bench.result('small/night')) == (code, whole), said
    subprocess.run(['umount', str(small)], check=True)


def versions(bench):
    """The first failing version, of four that are stand-ins: those that do not fail say what a clean run says."""
    for name, fails in (('1', False), ('2', False), ('3', True), ('4', True)):
        program = bench.folder / f'faultline-{name}'
        clean = json.dumps({'schema': 1, 'verdict': 'valid', 'exit_code': 0, 'failures': []})
        program.write_text(f'#!/bin/sh\necho {name} >> asked\n' + (f'exec {bench.binary} "$@"\n' if fails else f"echo '{clean}'\n"))
        program.chmod(0o755)
    text = bench.campaign.read_text()
    listed = ', '.join(f'"v{n}={bench.folder}/faultline-{n}"' for n in range(1, 5))
    bench.campaign = bench.folder / 'versions.toml'
    bench.campaign.write_text(text.replace('[targets.local-reads]', f'[targets.local-reads]\nversions = [{listed}]'))
    _, whole, _ = bench.whole()
    findings = json.loads(whole)['findings']
    assert findings and all(finding['first_failing'] == 'v3' for finding in findings), findings
    asked = (bench.folder / 'asked').read_text().split()
    assert len(asked) == 3 * sum(finding['failed'] for finding in findings), asked


def main():
    bench = Bench(sys.argv[1])
    {'killed': killed, 'interrupted': interrupted, 'shards': shards, 'full_disk': full_disk, 'versions': versions}[sys.argv[2]](bench)
    shutil.rmtree(bench.folder)
    print('ok')


if __name__ == '__main__':
    main()
