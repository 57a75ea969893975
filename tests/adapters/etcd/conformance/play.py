"""Plays one script on one cluster and returns what was answered, step by step."""
import concurrent.futures
import copy
import json
import re
import signal
import time

import http1
import normalise
from cluster import Failed, MEMBERS

ANSWER_LIMIT = 25.0   # seconds; the longest honest answer comes after 14
SILENCE = 0.4
AWAIT_LIMIT = 30.0
REQUEST = re.compile(r'(leader|follower[12]) (GET|POST|PUT|DELETE|OPTIONS) (\S+)(?: (.*))?')


class LeaderMoved(Exception):
    """An election that the script did not ask for: its answers are about another cluster."""


class Player:
    def __init__(self, cluster):
        self.cluster = cluster
        self.open = {}
        self.kept = {}
        self.last = {}

    def play(self, script):
        """The script with the replies as they came."""
        played = copy.deepcopy(script)
        for case in played.cases:
            self._begin()
            try:
                for group in _groups(case.steps):
                    self._step(case, group)
            finally:
                for exchange in self.open.values():
                    exchange.close()
                self.open.clear()
            if 'leader moves' not in case.title and self._term_now() > self.names.term:
                raise LeaderMoved(case.title)
        return played

    def _begin(self):
        leader, term, revision, ids = self.cluster.settle()
        followers = [name for name in MEMBERS if name != leader]
        self.member = {'leader': leader, 'follower1': followers[0], 'follower2': followers[1]}
        roles = {name: role for role, name in self.member.items()}
        self.names = normalise.Names(self.cluster, roles, ids, revision, term)
        self.kept = {role: ids[name] for role, name in self.member.items()}

    def _term_now(self):
        terms = []
        for name in MEMBERS:
            try:
                terms.append(int(self.cluster.status(name)['header'].get('raft_term', '0')))
            except (OSError, http1.Broken, Failed):
                continue
        return max(terms, default=0)

    def _step(self, case, group):
        if group[0].together:
            with concurrent.futures.ThreadPoolExecutor(len(group)) as pool:
                for step, reply in zip(group, pool.map(lambda s: self._ask(s.text[2:], s.body), group)):
                    step.reply = reply
            return
        step, = group
        words = step.text.split(' ')
        step.reply = []
        if REQUEST.fullmatch(step.text):
            step.reply = self._ask(step.text, step.body)
        elif words[0].endswith(':'):
            self.open[words[0][:-1]] = self._send(step.text.split(': ', 1)[1], step.body)
        elif words[0] in self.open:
            step.reply = self._stream(self.open[words[0]], words)
        elif words[0] == 'let':
            self.kept[words[1]] = str(self.last[words[3]])
        elif words[0] in ('pause', 'resume'):
            for role in words[1:]:
                self.cluster.signal(self.member[role], signal.SIGSTOP if words[0] == 'pause' else signal.SIGCONT)
        elif words[0] == 'kill':
            for role in words[1:]:
                self.cluster.daemons[self.member[role]].kill()
                self.cluster.daemons[self.member[role]].wait()
        elif words[0] == 'start':
            for role in words[1:]:
                self.cluster.start(self.member[role])
        elif words[0] == 'settle':
            self.cluster.settle()
        elif words[0] == 'await':
            self._await(step.text)
        else:
            raise Failed(f'{case.title}: what is "{step.text}"?')

    def _send(self, text, more_body):
        found = REQUEST.fullmatch(text)
        if not found:
            raise Failed(f'no request: {text}')
        role, method, path, body = found.groups()
        lines = ([body] if body else []) + more_body
        data = self._expand('\n'.join(lines)).encode()
        return http1.Exchange(self.cluster.address(self.member[role]), method, path, data)

    def _expand(self, text):
        text = re.sub(r'\$r(?:\+(\d+))?\b', lambda m: str(self.names.revision + int(m[1] or 0)), text)
        text = re.sub(r'\$([a-z_0-9]+)', lambda m: self.kept.get(m[1], m[0]), text)
        return re.sub(r'%(.)\*(\d+)', lambda m: m[1] * int(m[2]), text)

    def _ask(self, text, more_body):
        start = time.monotonic()
        try:
            exchange = self._send(text, more_body)
        except OSError as error:
            return [f'nothing: {error.strerror}']
        try:
            body = exchange.rest(start + ANSWER_LIMIT)
        except http1.Broken as error:
            return [f'nothing: {error}']
        finally:
            exchange.close()
        elapsed = time.monotonic() - start
        try:
            parsed = json.loads(body)
            self.last = parsed if isinstance(parsed, dict) else {}
        except ValueError:
            self.last = {}
        return normalise.reply_lines(exchange.status, exchange.content_type, body, self.names, elapsed)

    def _stream(self, exchange, words):
        if words[1] == 'closes':
            exchange.close()
            del self.open[words[0]]
            return []
        fresh = exchange.status is None
        if words[1:] == ['is', 'silent']:
            try:
                line = exchange.line(time.monotonic() + SILENCE)
            except http1.Broken:
                return ['silence']
            return ['the end' if line is None else normalise.body_line(line, self.names)]
        start = time.monotonic()
        lines = []
        try:
            while words[1] == 'ends' or len(lines) < int(words[2]):
                line = exchange.line(start + ANSWER_LIMIT)
                if line is None:
                    lines.append('the end')
                    break
                if line:
                    lines.append(normalise.body_line(line, self.names))
        except http1.Broken as error:
            lines.append(f'nothing: {error}')
        if fresh and exchange.status is not None:
            lines.insert(0, normalise.head_line(exchange.status, exchange.content_type))
        return lines

    def _await(self, text):
        question, wanted = text.removeprefix('await ').rsplit(' has ', 1)
        deadline = time.monotonic() + AWAIT_LIMIT
        role, path, body = question.split(' ', 2)
        while time.monotonic() < deadline:
            reply = '\n'.join(self._ask(f'{role} POST {path} {body}', []))
            negated = wanted.startswith('no ')
            if (wanted.removeprefix('no ') in reply) != negated:
                return
            time.sleep(0.05)
        raise Failed(f'in vain: {text}')


def _groups(steps):
    """Consecutive steps that are sent together, and single ones."""
    group = []
    for step in steps:
        if group and not (step.together and group[-1].together):
            yield group
            group = []
        group.append(step)
    if group:
        yield group
