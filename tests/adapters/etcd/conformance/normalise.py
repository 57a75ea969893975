"""Makes replies of two clusters comparable: what differs from run to run is replaced by what it stands for.

Members become `leader`, `follower1`, `follower2`; other ids are numbered by first appearance; revisions count from the start of
the case, terms from its term; sizes, log positions and remaining seconds lose their number. Nothing else is touched, and no
field is dropped: a field that is absent on one side only is a difference.
"""
import base64
import binascii
import json
import re

REVISIONS = ('revision', 'mod_revision', 'create_revision', 'compact_revision')
TERMS = ('raft_term', 'raftTerm')
COUNTERS = ('raftIndex', 'raftAppliedIndex', 'dbSize', 'dbSizeInUse')
ID_LEAST = 10 ** 12  # picked by a server; scripts pick smaller ones
WAITS = (5, 7, 14)   # seconds after which a cluster without a quorum answers
WAIT_SLACK = 1.4


class Names:
    """What numbers mean within one case. `roles`: member name -> role; `ids`: member name -> member id."""

    def __init__(self, cluster, roles, ids, revision, term):
        self.cluster = cluster
        self.roles = roles
        self.role_of_id = {ids[name]: role for name, role in roles.items()}
        self.role_of_name = {**roles, **{f'n{ids[name]}': role for name, role in roles.items()}}  # etcd is told, raftd makes it
        self.revision = revision
        self.term = int(term)
        self.numbered = {}

    def number(self, value):
        return f'id{self.numbered.setdefault(int(value), len(self.numbered) + 1)}'


def reply_lines(status, content_type, text, names, elapsed=0.0):
    """A whole reply as the lines of a script."""
    return [head_line(status, content_type, elapsed), *body_lines(content_type, text, names)]


def head_line(status, content_type, elapsed=0.0):
    waited = next((f' after {w} s' for w in WAITS if abs(elapsed - w) <= min(WAIT_SLACK, w / 5 + 0.4)), '')
    if elapsed > 3 and not waited:
        waited = f' after {elapsed:.1f} s'
    return f'{status} {content_type}{waited}'.rstrip()


def body_lines(content_type, text, names):
    return [body_line(line, names, content_type) for line in text.split('\n') if line]


def body_line(line, names, content_type='application/json'):
    try:
        value = json.loads(line)
    except ValueError:
        return f'text {line}'
    if not content_type.startswith('application/json') and not isinstance(value, dict):
        return f'text {line}'
    return json.dumps(_value(value, names), separators=(',', ':'), ensure_ascii=False)


def equal(left, right):
    """Whether two replies say the same: JSON by value, everything else by text."""
    if len(left) != len(right):
        return False
    return all(_parsed(a) == _parsed(b) for a, b in zip(left, right))


def _parsed(line):
    try:
        return json.loads(line)
    except ValueError:
        return line


def _value(value, names):
    if isinstance(value, list):
        return [_value(item, names) for item in value]
    if isinstance(value, dict):
        return _object(value, names)
    return value


def _object(fields, names):
    out = {key: _field(key, value, fields, names) for key, value in fields.items()}
    if 'leases' in out:  # a map's order on etcd's followers
        out['leases'].sort(key=lambda lease: str(lease.get('ID')))
    if 'keys' in out:
        out['keys'].sort()
    if 'members' in out:  # by id on etcd, and ids follow from the ports
        out['members'].sort(key=lambda member: str(member.get('name')))
    return out


def _field(key, value, fields, names):
    if isinstance(value, (list, dict)):
        if key in ('peerURLs', 'clientURLs'):
            return [_url(url, names) for url in value]
        return _value(value, names)
    if not isinstance(value, str):
        return value
    if key == 'cluster_id':
        return 'C'
    if value in names.role_of_id and key in ('member_id', 'leader', 'ID'):
        return names.role_of_id[value]
    if key in REVISIONS and value.isdigit():
        return f'r+{int(value) - names.revision}' if int(value) >= names.revision else f'r{int(value) - names.revision}'
    if key in TERMS:
        return 'T' if int(value) == names.term else f'T+{int(value) - names.term}'
    if key in COUNTERS:
        return 'N'
    if key == 'ID' and re.fullmatch(r'-?\d+', value) and abs(int(value)) >= ID_LEAST:
        return names.number(value)
    if key == 'name' and value in names.role_of_name:
        return names.role_of_name[value]
    if key == 'TTL' and 'grantedTTL' in fields and int(fields['grantedTTL']) / 2 <= int(value) <= int(fields['grantedTTL']):
        return 'left'
    if key == 'key':
        return _lock_key(value, names)
    return value


def _url(url, names):
    for name, role in names.roles.items():
        if url == names.cluster.peer_url(name):
            return f'peer of {role}'
        if url == names.cluster.client_url(name):
            return f'client of {role}'
    return url


def _lock_key(value, names):
    """A key that ends in a lease id which the server picked."""
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return value
    found = re.fullmatch(r'(.*)/([0-9a-f]{10,16})', text)
    return f'{found[1]}/{names.number(int(found[2], 16))}' if found else value
