#!/bin/sh
# Runs a program under mpirun on two hosts that are network namespaces of this
# machine, joined by a cable of limited bandwidth and latency. Needs root, ip
# and tc (Debian's iproute2) and a kernel with veth and netem; without netem
# there is no delay, and tbf limits the rate.
#
#   namespaces.sh RATE DELAY PROCESSES-PER-HOST PROGRAM [ARGUMENT...]
#   namespaces.sh 1gbit 0.1ms 1 scripts/dev/ranks.lua hgn full
#
# DELAY is that of a packet in either direction. RATE none is the bare cable.
# At the end it prints how many bytes the first host has sent, with TCP's own.
set -eu
cd "$(dirname "$0")/../.."
[ $# -ge 4 ] || {
  sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
rate=$1 delay=$2 each=$3
shift 3

one=torus-one-$$ two=torus-two-$$
agent=$(mktemp)
remove() {
  ip netns del $one 2>/dev/null || true
  ip netns del $two 2>/dev/null || true
  rm -f "$agent"
}
trap remove EXIT
trap 'exit 130' INT TERM

ip netns add $one
ip netns add $two
ip link add veth-one netns $one type veth peer name veth-two netns $two
host() { # host NAMESPACE DEVICE ADDRESS
  ip -n "$1" link set lo up
  ip -n "$1" address add "$3/24" dev "$2"
  ip -n "$1" link set "$2" up
  [ "$rate" = none ] && return
  if ! error=$(ip netns exec "$1" tc qdisc add dev "$2" root netem \
    delay "$delay" rate "$rate" limit 10000 2>&1); then
    echo "namespaces: no delay: netem: $error" >&2
    ip netns exec "$1" tc qdisc add dev "$2" root tbf rate "$rate" \
      burst 256kb limit 8mb
  fi
}
host $one veth-one 10.77.0.1
host $two veth-two 10.77.0.2

# What mpirun starts its helper on the other host with: HOST COMMAND...
cat >"$agent" <<TEXT
#!/bin/sh
shift
exec ip netns exec $two unshare -u sh -c "hostname torus-two; \$*"
TEXT
chmod +x "$agent"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ip netns exec $one unshare -u sh -c 'hostname torus-one; exec "$@"' sh \
  mpirun --mca plm_rsh_agent "$agent" --mca pml ob1 --mca btl tcp,self \
  --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 \
  --mca rmaps_base_oversubscribe 1 --bind-to none \
  --host "10.77.0.1:$each,10.77.0.2:$each" -n $((2 * each)) \
  ${TORUS_THREADS:+-x TORUS_THREADS} ${HEAD:+-x HEAD} ${UNTIMED:+-x UNTIMED} \
  "$PWD/scripts/torus" "$@"
echo "sent: $(ip netns exec $one cat /sys/class/net/veth-one/statistics/tx_bytes)" \
  "bytes" >&2
