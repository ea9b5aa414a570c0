#!/usr/bin/env bash
# Real clients against the simulated card: a network namespace, a TAP device in it, unmodified ping,
# rpcinfo and a C client made by rpcgen. Needs root. $LAUBERHORN is the command, which is built unless set.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/setup.sh
namespace=lauberhorn-test
device=lbh0
card=192.0.2.1
work=$(mktemp -d)

cleanup() {
    [ -z "${nic:-}" ] || kill "$nic" 2>/dev/null || true
    [ -z "${nic:-}" ] || wait "$nic" 2>/dev/null || true
    ip netns del $namespace 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
fail() { printf 'check_tap: %s\n' "$*" >&2; sed 's/^/    /' "$work/nic.log" >&2; exit 1; }

ip netns del $namespace 2>/dev/null || true
make --quiet -C testbench/clients BUILD="$work/clients" "$work/clients/client"
[ -n "${LAUBERHORN:-}" ] || build_command

ip netns add $namespace
inside() { timeout 60 ip netns exec $namespace "$@"; }
inside ip link set lo up
inside ip tuntap add dev $device mode tap
inside sysctl -qw net.ipv6.conf.$device.disable_ipv6=1
inside ip address add 192.0.2.2/24 dev $device
inside ip link set $device up
ip netns exec $namespace "$LAUBERHORN" tap --name $device --ip $card >"$work/nic.log" 2>&1 &
nic=$!
# The device has carrier as soon as the card is attached to it.
for _ in $(seq 100); do
    [ "$(inside cat /sys/class/net/$device/carrier 2>/dev/null || echo 0)" = 1 ] && break
    kill -0 $nic 2>/dev/null || fail "the simulated card ended"
    sleep 0.1
done

check() {
    printf '+ %s\n' "$*"
    inside "$@" || fail "failed: $*"
}
check ping -c 3 -i 0.3 $card
check rpcinfo -T udp $card 536871169 1
check rpcinfo -u $card 536871169
check "$work/clients/client" $card add 40 2
for bytes in 0 1 3 64 1000 1400; do
    check "$work/clients/client" $card echo $bytes
done
printf 'tap: all real clients were served\n'
