#!/usr/bin/env python3
"""Runs command-line scripts with golden output.

usage: scripts.py FAULTLINE SCRIPT…      FL_REWRITE=1 writes what came out in place of what was expected.

A script is prose with blocks indented by two spaces. In a block `$ ` starts a command (`> ` goes on with it), what follows is its
stdout and stderr together, in the order they were written, and `[64]` its exit code if that is not 0. Commands run in bash, in one
scratch folder per script, with `faultline` in the PATH, FL_SOURCE naming the source tree and a state directory of their own.
In expected lines `{*}` stands for any text; a rewrite keeps lines that already match.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TIME_LIMIT_SECONDS = 240


def matches(expected, actual):
    pattern = '.*'.join(re.escape(part) for part in expected.split('{*}'))
    return re.fullmatch(pattern, actual) is not None


def run(command, folder, environment):
    done = subprocess.run(['bash', '-c', command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIME_LIMIT_SECONDS, check=False)
    lines = done.stdout.decode('utf-8', errors='backslashreplace').split('\n')
    if lines[-1] == '':
        lines.pop()
    if done.returncode != 0:
        lines.append(f'[{done.returncode}]')
    return lines


def play(script, folder, environment):
    """The script as it came out, and the commands whose output differed."""
    lines = script.read_text(encoding='utf-8').split('\n')
    out, wrong, i = [], [], 0
    while i < len(lines):
        if not lines[i].startswith('  $ '):
            out.append(lines[i])
            i += 1
            continue
        command = [lines[i][4:]]
        out.append(lines[i])
        i += 1
        while i < len(lines) and lines[i].startswith('  > '):
            command.append(lines[i][4:])
            out.append(lines[i])
            i += 1
        expected = []
        while i < len(lines) and lines[i].startswith('  ') and not lines[i].startswith('  $ '):
            expected.append(lines[i][2:])
            i += 1
        actual = run('\n'.join(command), folder, environment)
        same = len(expected) == len(actual) and all(matches(e, a) for e, a in zip(expected, actual))
        if not same:
            wrong.append((command[0], expected, actual))
        kept = [next((e for e in expected if matches(e, a)), a) for a in actual]
        out += ['  ' + line for line in kept]
    return '\n'.join(out), wrong


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    failed = False
    for name in sys.argv[2:]:
        script = pathlib.Path(name).resolve()
        folder = tempfile.mkdtemp(prefix='faultline-script-')
        bin_folder = pathlib.Path(folder, '.bin')
        bin_folder.mkdir()
        (bin_folder / 'faultline').symlink_to(binary)
        work = pathlib.Path(folder, 'work')
        work.mkdir()
        environment = {**os.environ, 'PATH': f'{bin_folder}:{os.environ["PATH"]}', 'LC_ALL': 'C.UTF-8', 'TERM': 'dumb',
                       'FL_SOURCE': str(pathlib.Path(__file__).resolve().parents[3]),
                       'FAULTLINE_STATE': str(pathlib.Path(folder, 'state'))}
        environment.pop('NO_COLOR', None)
        environment.pop('GITHUB_ACTIONS', None)
        environment.pop('CLICOLOR_FORCE', None)
        try:
            text, wrong = play(script, work, environment)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if wrong and os.environ.get('FL_REWRITE') == '1':
            script.write_text(text, encoding='utf-8')
            print(f'{script.name}: rewritten')
            continue
        for command, expected, actual in wrong:
            failed = True
            print(f'{script.name}: $ {command}\n--- expected\n' + '\n'.join(expected) + '\n--- actual\n' + '\n'.join(actual))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
