"""A SLURM cluster of one node on ephemeral ports, in a folder of its own: munged, slurmctld and slurmd, all ended by close()."""
import os
import pathlib
import shutil
import socket
import subprocess
import time

PROGRAMS = ('munged', 'slurmctld', 'slurmd', 'sbatch', 'squeue', 'scontrol')


def find(name):
    return shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')


def missing():
    """Why there can be no cluster here; empty if there can."""
    absent = [name for name in PROGRAMS if find(name) is None]
    if absent:
        return 'not installed: ' + ', '.join(absent) + ' (apt install slurm-wlm)'
    if os.getuid() != 0:
        return 'slurmd needs root'
    return ''


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Cluster:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.processes = []
        for name in ('state', 'spool', 'munge'):
            (self.folder / name).mkdir(mode=0o700)
        host = socket.gethostname().split('.')[0]
        cores = len(os.sched_getaffinity(0))
        self.conf = self.folder / 'slurm.conf'
        self.conf.write_text(f'''ClusterName=faultline-test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge/socket
CredType=cred/munge
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd.pid
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=100000,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
MaxArraySize=1001
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
''')
        self.environment = {**os.environ, 'SLURM_CONF': str(self.conf), 'PATH': os.environ.get('PATH', '') + ':/usr/sbin:/sbin'}
        for name in [name for name in self.environment if name.startswith(('SLURM_', 'SBATCH_')) and name != 'SLURM_CONF']:
            del self.environment[name]
        key = self.folder / 'munge' / 'key'
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.start('munged', '--foreground', '--force', '--num-threads=2', f'--key-file={key}', f'--socket={self.folder}/munge/socket',
                   f'--pid-file={self.folder}/munge/pid', f'--log-file={self.folder}/munge/log', f'--seed-file={self.folder}/munge/seed')
        self.await_true('munged answers', lambda: (self.folder / 'munge' / 'socket').exists())
        self.start('slurmctld', '-D', '-i', '-f', str(self.conf))
        self.start('slurmd', '-D', '-N', host, '-f', str(self.conf))
        self.await_true('the node is idle', lambda: 'State=IDLE' in self.ask('scontrol', 'show', 'node', check=False))

    def start(self, name, *words):
        log = open(self.folder / f'{name}.said', 'wb')
        self.processes.append((name, subprocess.Popen([find(name), *words], env=self.environment, stdin=subprocess.DEVNULL,
                                                      stdout=log, stderr=subprocess.STDOUT)))
        log.close()

    def ask(self, *words, check=True, environment=None):
        done = subprocess.run([find(words[0]), *words[1:]], env={**self.environment, **(environment or {})}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        text = done.stdout.decode('utf-8', 'replace')
        if check and done.returncode != 0:
            raise RuntimeError(f'{" ".join(words)}: {text}')
        return text

    def await_true(self, what, condition, seconds=120):
        deadline = time.monotonic() + seconds
        while not condition():
            dead = [name for name, process in self.processes if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                raise RuntimeError(f'waited for: {what}; ended: {dead}\n' + self.logs())
            time.sleep(0.2)

    def logs(self):
        parts = []
        for path in sorted(self.folder.glob('**/*')):
            if path.suffix in ('.said', '.log') or path.name == 'log':
                parts.append(f'--- {path.name}\n' + path.read_text(errors='replace')[-1500:])
        return '\n'.join(parts)

    def close(self):
        for _, process in reversed(self.processes):
            process.terminate()
        for _, process in reversed(self.processes):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
