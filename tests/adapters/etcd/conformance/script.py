"""Conformance scripts: requests, each followed by the reply that etcd 3.4.23 gives, normalised. Parsing and printing.

    # A comment.
    == a put answers a header                      a case; revisions count from its start
    leader POST /v3/kv/put {"key":"azE="}          one request: member, method, path, body
    < 200 application/json                         its reply: status and content type,
    < {"header":…}                                 then the body, one line per JSON value

Members are `leader`, `follower1`, `follower2`, as elected when the case began. Further lines of a body follow the request as
`> …`. In bodies `$r` is the revision at the start of the case, `$r+2` that plus two, `$leader` a member's id and `$NAME` what a
`let` kept, and `%x*9` is nine times x. Besides requests a case may say:

    & leader POST …                                consecutive lines with & are sent together, each on a connection of its own
    w: leader POST /v3/watch …                     sends, and keeps the connection under the name w
    w reads 2                                      the next two lines of w's reply
    w ends                                         the rest of it
    w is silent                                    not a byte within 0.4 s
    w closes                                       hangs up
    let lease = ID                                 keeps a top-level field of the reply before
    pause follower1 · resume follower1             SIGSTOP, SIGCONT; several names may follow
    kill follower1 · start follower1               SIGKILL, and starting it again on its data
    settle                                         waits until all members agree on leader and term and have applied the same
    await MEMBER PATH BODY has TEXT                asks until the reply contains the text
"""
import dataclasses
import pathlib


class Malformed(Exception):
    pass


@dataclasses.dataclass
class Step:
    text: str                                            # the line itself
    body: list[str] = dataclasses.field(default_factory=list)   # further lines of the body
    reply: list[str] = dataclasses.field(default_factory=list)  # as written in the script
    comments: list[str] = dataclasses.field(default_factory=list)

    @property
    def together(self):
        return self.text.startswith('& ')


@dataclasses.dataclass
class Case:
    title: str
    comments: list[str]
    steps: list[Step]


@dataclasses.dataclass
class Script:
    name: str
    prose: list[str]
    cases: list[Case]


def parse(path):
    script = Script(pathlib.Path(path).stem, [], [])
    comments = []
    for number, line in enumerate(pathlib.Path(path).read_text(encoding='utf-8').split('\n'), 1):
        if not line.strip():
            if not script.cases and comments:
                script.prose, comments = comments, []
            continue
        case = script.cases[-1] if script.cases else None
        step = case.steps[-1] if case and case.steps else None
        if line.startswith('#'):
            comments.append(line)
        elif line.startswith('== '):
            script.cases.append(Case(line[3:], comments, []))
            comments = []
        elif line.startswith(('< ', '> ')):
            if step is None:
                raise Malformed(f'{path}:{number}: belongs to no step')
            (step.reply if line[0] == '<' else step.body).append(line[2:])
        elif case is None:
            raise Malformed(f'{path}:{number}: belongs to no case')
        else:
            case.steps.append(Step(line, comments=comments))
            comments = []
    titles = [case.title for case in script.cases]
    if len(set(titles)) != len(titles):
        raise Malformed(f'{path}: two cases of one title')
    return script


def print_script(script):
    out = [*script.prose]
    for case in script.cases:
        out += ['', *case.comments, f'== {case.title}']
        for step in case.steps:
            out += [*step.comments, step.text]
            out += [f'> {line}' for line in step.body]
            out += [f'< {line}' for line in step.reply]
    return '\n'.join(out) + '\n'


def requests_in(script):
    """How many requests a script sends."""
    methods = (' GET /', ' POST /', ' PUT /', ' DELETE /', ' OPTIONS /')
    return sum(any(m in step.text for m in methods) for case in script.cases for step in case.steps)
