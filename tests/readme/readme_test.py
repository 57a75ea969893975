#!/usr/bin/env python3
"""Every command of the README runs and ends as the README says.

usage: readme_test.py FAULTLINE README    `# exit N` behind a command states its exit code; without it, 0 is expected.

What a reader has is put in place: the launcher is a link to the binary under test, `tests` one to the tree, and the addresses of "your own
cluster" are those of one etcd started here. `./tests/run` is what runs this test, so it is not called again.
"""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

RUNS_THIS_TEST = './tests/run'
COMMAND_LIMIT_SECONDS = 240


def commands(text):
    for block in re.findall(r'^```sh\n(.*?)^```', text, flags=re.S | re.M):
        lines = block.rstrip('\n').split('\n')
        while lines:
            line = lines.pop(0)
            if "<<'END'" in line:
                while not line.endswith('\nEND'):
                    line += '\n' + lines.pop(0)
            yield line


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Etcd:
    """One member on loopback, in a folder that goes with it."""

    def __init__(self, folder):
        self.url = f'http://127.0.0.1:{free_port()}'
        peer = f'http://127.0.0.1:{free_port()}'
        environment = {name: value for name, value in os.environ.items() if not name.startswith('ETCD_')}
        self.process = subprocess.Popen(
            ['etcd', '--name', 'n1', '--data-dir', f'{folder}/etcd', '--listen-client-urls', self.url,
             '--advertise-client-urls', self.url, '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer,
             '--initial-cluster', f'n1={peer}'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(self.url + '/health', timeout=2).read()
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit('etcd did not start')

    def stop(self):
        self.process.kill()
        self.process.wait()


def run_all(folder, environment, text, cluster):
    failed = 0
    for command in commands(text):
        bare = command.split('   #')[0].rstrip()
        if bare == RUNS_THIS_TEST:
            continue
        stated = re.search(r'# exit (\d+)', command)
        expected = int(stated.group(1)) if stated else 0
        actual_command = command.replace('http://n1:2379,http://n2:2379,http://n3:2379', cluster.url)
        done = subprocess.run(['bash', '-c', actual_command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
                              timeout=COMMAND_LIMIT_SECONDS, check=False)
        print(f'[{done.returncode}] {bare}')
        if done.returncode != expected:
            failed += 1
            print(f'expected exit {expected}:\n{done.stdout}')
    return failed


def main():
    binary, readme = (pathlib.Path(name).resolve() for name in sys.argv[1:3])
    text = readme.read_text(encoding='utf-8')
    missing = [link for link in re.findall(r'\]\(([^)#:]+)\)', text) if not (readme.parent / link).exists()]
    folder = tempfile.mkdtemp(prefix='faultline-readme-')
    cluster = Etcd(folder)
    try:
        pathlib.Path(folder, 'faultline').symlink_to(binary)
        pathlib.Path(folder, 'tests').symlink_to(readme.parent / 'tests')
        failed = run_all(folder, {**os.environ, 'FAULTLINE_STATE': f'{folder}/state'}, text, cluster)
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
    for link in missing:
        print(f'the README links to {link}, which does not exist')
    return 1 if failed or missing else 0


if __name__ == '__main__':
    sys.exit(main())
