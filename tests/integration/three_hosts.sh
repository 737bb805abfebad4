#!/usr/bin/env bash
# Three hosts on this one: a network namespace each, named 10.77.0.1 to .3, joined by a switch, with a name and an sshd of its own.
# They share this host's files. As root.
#
#   three_hosts.sh up DIR        makes them, with keys, DIR/hosts for mpirun and DIR/ssh, by which it starts; exit code 77: not here
#   three_hosts.sh at DIR HOST COMMAND…
#   three_hosts.sh cut DIR HOST  nothing arrives at a host any more, nor comes from it
#   three_hosts.sh heal DIR HOST
#   three_hosts.sh left DIR      prints the processes on them that are not sshd
#   three_hosts.sh down DIR      takes them away, with all that runs on them
set -eu
export PATH=$PATH:/usr/sbin:/sbin
verb=$1 dir=$2
shift 2
hosts=(1 2 3)
mark=$(basename "$dir")
of() { echo "$mark-$1"; }  # the namespace of a host, or of the switch (0)
in_switch() { ip netns exec "$(of 0)" ip "$@"; }

case $verb in
  up)
    for program in ip sshd ssh ssh-keygen unshare; do
      command -v $program >/dev/null || { echo "$program is not installed: apt-get install iproute2 openssh-server"; exit 77; }
    done
    ((EUID == 0)) || { echo "hosts are made by root alone"; exit 77; }
    ip netns add "$(of 0)" || { echo "no network namespaces here"; exit 77; }
    in_switch link add switch type bridge
    in_switch link set switch up
    mkdir -p /run/sshd
    ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
    cat >"$dir/sshd.conf" <<CONF
HostKey $dir/key
AuthorizedKeysFile $dir/key.pub
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
CONF
    # mpirun appends the host and the command.
    cat >"$dir/ssh" <<SSH
#!/bin/sh
exec ssh -F none -i $dir/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "\$@"
SSH
    chmod 700 "$dir/ssh"
    for host in "${hosts[@]}"; do
      ip netns add "$(of "$host")"
      ip link add "port$host" netns "$(of 0)" type veth peer name eth0 netns "$(of "$host")"
      in_switch link set "port$host" master switch up
      ip netns exec "$(of "$host")" sh -c "ip link set lo up; ip link set eth0 up; ip address add 10.77.0.$host/24 dev eth0"
      ip netns exec "$(of "$host")" unshare --uts sh -c "hostname host$host; exec $(command -v sshd) -f $dir/sshd.conf -E $dir/sshd.$host"
      echo "10.77.0.$host slots=8" >>"$dir/hosts"
    done
    ;;
  at) exec ip netns exec "$(of "$1")" unshare --uts sh -c 'hostname "$0"; exec "$@"' "host$1" "${@:2}" ;;
  cut) in_switch link set "port$1" nomaster ;;
  heal) in_switch link set "port$1" master switch ;;
  left)
    for host in "${hosts[@]}"; do
      for pid in $(ip netns pids "$(of "$host")"); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = sshd ] || tr '\0' ' ' <"/proc/$pid/cmdline" || true
      done
    done 2>/dev/null
    ;;
  down)
    for host in "${hosts[@]}" 0; do
      for pid in $(ip netns pids "$(of "$host")" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null || true; done
      ip netns del "$(of "$host")" 2>/dev/null || true
    done
    ;;
esac
