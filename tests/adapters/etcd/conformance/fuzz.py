#!/usr/bin/env python3
"""Random scripts for differential runs: valid requests on few keys, leases and revisions, so that they meet often.

usage: fuzz.py SEED        prints the script of that seed (its replies: FL_REWRITE=1 run.py, once it lies in scripts/)

What etcd 3.4.23 answers by chance or dies of is left out: an operation with two requests, a sort target that there is not, a failing
read behind a write in one transaction (the members part ways).
"""
import base64
import json
import random
import sys

import script

REQUESTS = 150
KEYS = [b'a', b'b', b'c', b'd', b'e']
LEASES = ['1', '2', '3']


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def script(self, name):
        steps = [self.step('kv/put', {'key': text(b'a'), 'value': text(b'first')})]
        while len(steps) < REQUESTS - 1:
            steps += self.request()
        steps += [self.step('kv/put', {'key': text(b'a'), 'value': text(b'last')}), script.Step('settle'),
                  script.Step('w: leader POST /v3/watch ' + self.json({'create_request': {
                      'key': text(b'a'), 'range_end': text(b'z'), 'start_revision': '$r+1', 'prev_kv': True}})),
                  script.Step('w reads 2'), script.Step('w is silent')]
        steps += [self.step('lease/revoke', {'ID': lease}) for lease in LEASES]
        return script.Script(name, ['# Random requests, made by fuzz.py.'], [script.Case(name.replace('_', ' '), [], steps)])

    def request(self):
        calls = (('put', 8), ('range', 8), ('delete', 4), ('txn', 8), ('compaction', 1), ('lease', 4))
        call, = self.random.choices([c for c, _ in calls], [w for _, w in calls])
        if call == 'put':
            return [self.step('kv/put', self.put())]
        if call == 'range':
            return [self.step('kv/range', self.range(revisions=True))]
        if call == 'delete':
            return [self.step('kv/deleterange', self.delete())]
        if call == 'txn':
            txn = self.txn(0)
            return self.local('kv/txn', txn) if is_read(txn) else [self.step('kv/txn', txn)]
        if call == 'compaction':
            return self.local('kv/compaction', {'revision': self.revision()})
        return self.lease()

    def local(self, path, body):
        """The header shows the revision of the member asked, so that one must have applied what the others have."""
        return [script.Step('settle'), self.step(path, body)]

    def step(self, path, body):
        member = self.random.choice(['leader', 'leader', 'follower1', 'follower2'])
        return script.Step(f'{member} POST /v3/{path} {self.json(body)}')

    def json(self, body):
        if self.random.random() < 0.2:
            body = camel(body)
        return json.dumps(body, separators=(',', ':'))

    def chance(self, probability):
        return self.random.random() < probability

    def revision(self):
        return f'$r+{self.random.randint(0, 60)}'

    def span(self):
        out = {'key': text(self.random.choice(KEYS))}
        if self.chance(0.5):
            out['range_end'] = text(self.random.choice([*KEYS, b'z', b'\0']))
        return out

    def put(self, in_txn=False):
        out = {'key': text(self.random.choice(KEYS)), 'value': text(str(self.random.randint(0, 9)).encode())}
        if self.chance(0.2):
            out['lease'] = self.random.choice([*LEASES, '4'])
        if self.chance(0.3):
            out['prev_kv'] = True
        if not in_txn and self.chance(0.1):
            del out['value']
            out['ignore_value'] = True
        if not in_txn and 'lease' not in out and self.chance(0.1):
            out['ignore_lease'] = True
        return out

    def delete(self):
        return {**self.span(), **({'prev_kv': True} if self.chance(0.5) else {})}

    def range(self, revisions):
        out = self.span()
        for field, make in (('limit', lambda: self.random.randint(0, 3)), ('keys_only', lambda: True),
                            ('count_only', lambda: True),
                            ('sort_order', lambda: self.random.choice(['NONE', 'ASCEND', 'DESCEND', 1, 2])),
                            ('sort_target', lambda: self.random.choice(['KEY', 'CREATE', 'MOD', 0])),
                            ('min_mod_revision', self.revision), ('max_create_revision', self.revision)):
            if self.chance(0.15):
                out[field] = make()
        if revisions and self.chance(0.3):
            out['revision'] = self.revision()
        return out

    def compare(self):
        target = self.random.choice(['VERSION', 'CREATE', 'MOD', 'VALUE', 'LEASE'])
        out = {**self.span(), 'target': target, 'result': self.random.choice(['EQUAL', 'GREATER', 'LESS', 'NOT_EQUAL'])}
        field, value = {'VERSION': ('version', str(self.random.randint(0, 3))), 'CREATE': ('create_revision', self.revision()),
                        'MOD': ('mod_revision', self.random.choice(['0', self.revision()])),
                        'VALUE': ('value', text(str(self.random.randint(0, 9)).encode())),
                        'LEASE': ('lease', self.random.choice(['0', *LEASES]))}[target]
        return {**out, field: value}

    def operation(self, depth):
        kind = self.random.choice(['put', 'range', 'delete', 'txn'] if depth < 2 else ['put', 'range', 'delete'])
        if kind == 'put':
            return {'request_put': self.put(in_txn=True)}
        if kind == 'range':
            return {'request_range': self.range(revisions=False)}
        if kind == 'delete':
            return {'request_delete_range': self.delete()}
        return {'request_txn': self.txn(depth + 1)}

    def txn(self, depth):
        out = {}
        for field, make in (('compare', self.compare), ('success', lambda: self.operation(depth)),
                            ('failure', lambda: self.operation(depth))):
            if items := [make() for _ in range(self.random.randint(0, 2))]:
                out[field] = items
        return out

    def lease(self):
        lease = self.random.choice(LEASES)
        kind = self.random.choice(['grant', 'grant', 'revoke', 'timetolive', 'keepalive', 'leases'])
        if kind == 'leases':
            return self.local('lease/leases', {})
        body = {'ID': lease, **({'TTL': 600} if kind == 'grant' else {}), **({'keys': True} if kind == 'timetolive' else {})}
        return self.local(f'lease/{kind}', body)


def is_read(txn):
    return all('request_range' in operation for branch in ('success', 'failure') for operation in txn.get(branch, []))


def text(data):
    return base64.b64encode(data).decode()


def camel(value):
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    spelled = (''.join(part if i == 0 else part.capitalize() for i, part in enumerate(name.split('_'))) for name in value)
    return {name: camel(item) for name, item in zip(spelled, value.values())}


if __name__ == '__main__':
    print(script.print_script(Generator(int(sys.argv[1])).script(f'random_{sys.argv[1]}')), end='')
