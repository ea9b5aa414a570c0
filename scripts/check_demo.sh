#!/usr/bin/env bash
# Runs the demo twice on the captured session and lets tshark judge the frames that left the card; and once
# behind the adapter to each bus, where every call must be answered too. $LAUBERHORN is the command; it is built
# unless set.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/setup.sh
[ -n "${LAUBERHORN:-}" ] || build_command
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fixture=testbench/fixtures/rpc_session.pcap

fail() { printf 'check_demo: %s\n' "$*" >&2; exit 1; }

for turn in 1 2; do
    "$LAUBERHORN" demo --pcap $fixture --out "$work/$turn.pcap" --json >"$work/$turn.json"
done
for bus in eci cxl pcie; do
    "$LAUBERHORN" demo --pcap $fixture --interconnect $bus --bus --json >"$work/$bus.json" ||
        fail "the demo fails behind the adapter to $bus"
done
cmp "$work/1.pcap" "$work/2.pcap" || fail "two runs gave different frames"
cmp "$work/1.json" "$work/2.json" || fail "two runs gave different cycle numbers"

read_capture() {
    tshark -r "$work/1.pcap" -d udp.port==20101,rpc -o rpc.dissect_unknown_programs:TRUE \
        -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE "$@" 2>/dev/null
}
bad=$(read_capture -Y '_ws.malformed || ip.checksum.status==0 || udp.checksum.status==0')
[ -z "$bad" ] || fail "frames that tshark refuses:"$'\n'"$bad"
calls=$(read_capture -Y 'rpc.msgtyp==0' | wc -l)
replies=$(read_capture -Y 'rpc.msgtyp==1' | wc -l)
matched=$(read_capture -Y 'rpc.msgtyp==1 && rpc.time' | wc -l)
[ "$calls" -gt 0 ] || fail "no calls in the capture"
[ "$calls" -eq "$replies" ] && [ "$calls" -eq "$matched" ] ||
    fail "$calls calls, $replies replies, $matched of them matched to their call"
printf 'demo: %s calls, every reply matched, no malformed frame, checksums right, two runs equal, all answered behind every bus\n' "$calls"
