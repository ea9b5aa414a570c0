#!/usr/bin/env bash
# Makes testbench/fixtures/rpc_session.pcap: what real clients send to real servers.
#
# Two network namespaces joined by a veth pair: rpcbind and the libtirpc server on one side, rpcinfo,
# ping and the rpcgen client on the other. Only the client's frames are kept (no checksum offload, so
# that the captured checksums are the ones on the wire). Needs root, iproute2, tcpdump, ethtool,
# rpcbind, iputils-ping, rpcgen and libtirpc.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(mktemp -d)
out=${1:-$here/../fixtures/rpc_session.pcap}
server=lbh-server client=lbh-client

cleanup() {
    kill $(jobs -p) 2>/dev/null || true
    ip netns pids $server 2>/dev/null | xargs -r kill 2>/dev/null || true
    ip netns del $server 2>/dev/null || true
    ip netns del $client 2>/dev/null || true
    rm -rf "$build"
}
trap cleanup EXIT
cleanup

mkdir -p "$build"
make -C "$here" BUILD="$build" "$build/client" "$build/server"
ip netns add $server
ip netns add $client
ip link add vs netns $server address 02:00:00:00:00:01 type veth peer name vc netns $client address 02:00:00:00:00:02
for side in "$server vs 192.0.2.1/24" "$client vc 192.0.2.2/24"; do
    set -- $side
    # Without this the kernel adds router solicitations of its own.
    ip netns exec "$1" sysctl -qw "net.ipv6.conf.$2.disable_ipv6=1"
    ip -n "$1" address add "$3" dev "$2"
    ip -n "$1" link set lo up
    ip -n "$1" link set "$2" up
    ip netns exec "$1" ethtool -K "$2" tx off >/dev/null
done
ip netns exec $server rpcbind -f -h 192.0.2.1 &
sleep 1
ip netns exec $server "$build/server" &
sleep 1
ip netns exec $client tcpdump -q -i vc -w "$build/all.pcap" --immediate-mode ether src 02:00:00:00:00:02 &
sleep 1
in_client() { ip netns exec $client "$@"; }
in_client ping -c 3 -i 0.2 192.0.2.1
in_client rpcinfo -T udp 192.0.2.1 536871169 1
in_client rpcinfo -u 192.0.2.1 536871169
in_client "$build/client" 192.0.2.1 add 40 2
for bytes in 0 1 3 64 1000 1400; do
    in_client "$build/client" 192.0.2.1 echo $bytes
done
sleep 1
kill %3
wait %3 || true
cp "$build/all.pcap" "$out"
