#!/usr/bin/env bash
# launch/sherd.sbatch on a Slurm of our own: slurmctld, slurmd and munged on this host, with all their files in a folder that goes
# at the end. A job that trains to its end; one that is signalled as two minutes before its time, and goes on when it is submitted
# again; one that is cancelled and leaves no process.
#
#   tests/integration/slurm.sh SHERD        as root; exit code 77: not here
set -u
sherd=$(readlink -f "$1")
repository=$(cd "$(dirname "$0")/../.." && pwd)

skip() {
  echo "SKIPPED: $1"
  exit 77
}
for program in slurmctld slurmd sbatch munged mpirun; do
  PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || skip "$program is not installed: apt-get install slurmctld slurmd slurm-client munge"
done
PATH=$PATH:/usr/sbin
((EUID == 0)) || skip "slurmd wants to be root"

dir=$(mktemp -d /tmp/sherd-slurm.XXXXXX)
chmod 755 "$dir"
daemons=()
finish() {
  for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null; done
  wait 2>/dev/null
  # A job that is cancelled has no time for its last words, nor to take away where they would stand.
  rm -rf "$dir" "$repository"/.sherd-verdict.*
}
trap finish EXIT
fail() {
  echo "FAILED: $1"
  tail -n 30 "$dir"/*.log "$dir"/out.* 2>/dev/null
  exit 1
}
# until SECONDS COMMAND…
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

# ---- the daemons ----
mkdir -m 700 "$dir/munge" "$dir/state" "$dir/spool"
dd if=/dev/urandom of="$dir/munge/key" bs=1024 count=1 status=none
chmod 400 "$dir/munge/key"
munged --foreground --force --socket="$dir/munge.socket" --key-file="$dir/munge/key" --pid-file="$dir/munge/pid" \
  --seed-file="$dir/munge/seed" --log-file="$dir/munge.log" >"$dir/munged.out" 2>&1 &
daemons+=($!)
until_true 10 test -S "$dir/munge.socket" || fail "munged does not start"

host=$(hostname -s)
cat >"$dir/slurm.conf" <<CONF
ClusterName=sherd
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/linear
ReturnToService=2
SwitchType=switch/none
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc)
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
CONF
export SLURM_CONF=$dir/slurm.conf
slurmctld -D >"$dir/slurmctld.out" 2>&1 &
daemons+=($!)
slurmd -D -N "$host" >"$dir/slurmd.out" 2>&1 &
daemons+=($!)
idle() { sinfo -h -o %T 2>/dev/null | grep -q idle; }
until_true 60 idle || fail "the node does not get ready: $(sinfo 2>&1)"

# ---- jobs ----
cd "$repository" || exit 1
export SHERD=$sherd
# submit NAME FLAG…: the number of a job of four ranks
submit() {
  sbatch --parsable --nodes=1 --ntasks=4 --ntasks-per-node=4 --cpus-per-task=1 --overcommit --time=10 --output="$dir/out.$1" \
    launch/sherd.sbatch launch/jobs/adult_deepfm.pbtxt --servers=1 --checkpoint_dir="$dir/$1" "${@:2}"
}
state() { scontrol -o show job "$1" | sed -n 's/.*JobState=\([A-Z]*\).*/\1/p'; }
ended() { [[ $(state "$1") != @(PENDING|CONFIGURING|RUNNING|COMPLETING) ]]; }
says() { grep -q "$2" "$dir/out.$1" 2>/dev/null; }
no_rank() { ! pgrep -f "$dir/" -a | grep -q "sherd train"; }

job=$(submit whole --epochs=1) || fail "sbatch"
until_true 180 ended "$job" || fail "job $job does not end"
[[ $(state "$job") == COMPLETED ]] || fail "job $job: $(state "$job")"
says whole "^trained" || fail "job $job has not trained"

job=$(submit signalled --epochs=1000) || fail "sbatch"
until_true 120 says signalled "epoch 2" || fail "job $job does not train"
scancel --batch --signal=USR1 "$job"
until_true 60 ended "$job" || fail "job $job does not end after a signal"
says signalled "^checkpoint" || fail "job $job has left no checkpoint"
until_true 10 no_rank || fail "ranks of job $job are left"

job=$(submit signalled --epochs=1000) || fail "sbatch"
until_true 120 says signalled "resuming from $dir/signalled" || fail "job $job does not resume"
until_true 120 says signalled "rows/s" || fail "job $job does not train"
scancel "$job"
until_true 60 ended "$job" || fail "job $job does not end when it is cancelled"
until_true 20 no_rank || fail "ranks of job $job are left"
echo "a job trained, one was signalled and went on, one was cancelled: all as it should be"
