//! The counters and gauges: which events the card counts and where they are read.
//!
//! Every received frame ends in exactly one [`CounterClass::Disposition`] counter, so their sum
//! equals `rx_frames` whenever no frame is under way. The index order of [`Counter::ALL`] decides the
//! register address.

use serde::Serialize;

/// Byte address of the register of counter 0; the others follow 4 bytes apart.
pub const COUNTERS_BASE: u16 = 0x0400;

/// What kind of number a counter register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CounterClass {
    /// The end of a received frame: each frame counts in exactly one of these.
    Disposition,
    /// Frames and messages, independent of the dispositions.
    Total,
    /// Events of all endpoints together.
    Endpoint,
    /// What the adapter to the interconnect's bus did not accept; stays zero without an adapter.
    Bus,
    /// A present amount, not a count: not cleared by `counters_clear`.
    Gauge,
}

macro_rules! counters {
    ($( $class:ident { $( $variant:ident $name:ident $doc:literal; )+ } )+) => {
        /// One counter or gauge; its discriminant is its index.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Counter {
            $($( #[doc = $doc] $variant, )+)+
        }

        impl Counter {
            /// Every counter, in index order.
            pub const ALL: &[Self] = &[$($(Self::$variant),+),+];

            /// The counter's name, also that of its register.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$variant => stringify!($name),)+)+ }
            }

            /// What it counts.
            pub const fn doc(self) -> &'static str {
                match self { $($(Self::$variant => $doc,)+)+ }
            }

            /// What kind of number it is.
            pub const fn class(self) -> CounterClass {
                match self { $($(Self::$variant)|+ => CounterClass::$class,)+ }
            }
        }
    };
}

counters! {
    Disposition {
        RxCallDispatched rx_call_dispatched "Calls accepted and handed to dispatch.";
        RxNullAnswered rx_null_answered "NULL calls that the card answered alone.";
        RxProgUnavail rx_prog_unavail "Calls answered PROG_UNAVAIL.";
        RxProgMismatch rx_prog_mismatch "Calls answered PROG_MISMATCH.";
        RxProcUnavail rx_proc_unavail "Calls answered PROC_UNAVAIL.";
        RxRpcMismatch rx_rpc_mismatch "Calls answered RPC_MISMATCH.";
        RxAuthError rx_auth_error "Calls answered AUTH_ERROR.";
        RxBypass rx_bypass "Frames handed to the bypass endpoint.";
        RxDropMacError rx_drop_mac_error "Dropped: the MAC found the frame bad.";
        RxDropRunt rx_drop_runt "Dropped: shorter than an Ethernet header.";
        RxDropOversize rx_drop_oversize "Dropped: longer than the MTU allows.";
        RxDropNotForUs rx_drop_not_for_us "Dropped: unicast to another MAC address, and not promiscuous.";
        RxDropIpv4Header rx_drop_ipv4_header "Dropped: bad IPv4 header checksum or total length.";
        RxDropUdpLength rx_drop_udp_length "Dropped: the UDP length does not fit the datagram.";
        RxDropUdpChecksum rx_drop_udp_checksum "Dropped: bad UDP checksum.";
        RxDropRpcMalformed rx_drop_rpc_malformed "Dropped: the RPC header runs past the datagram.";
        RxDropNoSlot rx_drop_no_slot "Dropped: no packet buffer slot was free for the call.";
        RxDropNoSession rx_drop_no_session "Dropped: no session was free for the call.";
        RxDropBypassFull rx_drop_bypass_full "Dropped: no room for the bypass frame, as the host takes them too slowly.";
        RxDropReplyQueueFull rx_drop_reply_queue_full "Dropped: the queue of replies made by the card was full.";
    }
    Total {
        RxFrames rx_frames "Frames received.";
        TxFrames tx_frames "Frames sent.";
        TxReplies tx_replies "Replies sent that the host wrote.";
        TxNicReplies tx_nic_replies "Replies sent that the card made.";
        TxBypass tx_bypass "Frames sent that the bypass endpoint wrote.";
        TxReleased tx_released "Sessions freed without a reply.";
        TxDropBadSession tx_drop_bad_session "Messages refused: stale, foreign or unknown session handle.";
        TxDropMalformed tx_drop_malformed "Messages refused: unknown kind, impossible length or missing line.";
        TxNeighbourMiss tx_neighbour_miss "Replies that went to the caller's source MAC because the neighbour table had no entry.";
    }
    Endpoint {
        EndpointTryAgain endpoint_try_again "Waits that ended in TRY_AGAIN.";
        EndpointDelivered endpoint_delivered "Calls and frames filled into control lines.";
        EndpointEarlyLoads endpoint_early_loads "Loads answered EMPTY because it was not the line's turn.";
        EndpointStrayLoads endpoint_stray_loads "Loads of lines that have no role.";
        EndpointIncomplete endpoint_incomplete "TX messages that needed a line the host never gave.";
    }
    Bus {
        BusRefusedRequests bus_refused_requests "Reads and other requests without data that the adapter answered with an error.";
        BusRefusedWrites bus_refused_writes "Writes that the adapter answered with an error.";
        BusDroppedResponses bus_dropped_responses "Acknowledgements that the adapter dropped, as they answer nothing or are not well formed.";
    }
    Gauge {
        FreeCallSlots free_call_slots "Free packet buffer slots for calls.";
        FreeBypassSlots free_bypass_slots "Free packet buffer slots for bypass frames.";
        FreeSessions free_sessions "Free sessions.";
        QueuedCalls queued_calls "Calls that wait for an endpoint.";
        BusIncomplete bus_incomplete "Lines of which the adapter to PCIe has some bytes and waits for others.";
    }
}

impl Counter {
    /// How many counters and gauges there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Position in [`Counter::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Byte address of its register.
    pub const fn address(self) -> u16 {
        COUNTERS_BASE + 4 * self as u16
    }

    /// The counter called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|counter| counter.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_order_decides_the_address() {
        for (i, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(counter.index(), i);
            assert_eq!(usize::from(counter.address()), 0x400 + 4 * i);
            assert_eq!(Counter::named(counter.name()), Some(*counter));
        }
        assert_eq!(Counter::RxCallDispatched.address(), 0x400);
        assert_eq!(Counter::COUNT, 42);
        assert_eq!(Counter::named("no_such_counter"), None);
    }

    #[test]
    fn classes_are_contiguous_and_complete() {
        let count = |class| Counter::ALL.iter().filter(|c| c.class() == class).count();
        assert_eq!(count(CounterClass::Disposition), 20);
        assert_eq!(count(CounterClass::Total), 9);
        assert_eq!(count(CounterClass::Endpoint), 5);
        assert_eq!(count(CounterClass::Bus), 3);
        assert_eq!(count(CounterClass::Gauge), 5);
    }
}
