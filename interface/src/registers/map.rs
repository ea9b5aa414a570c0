//! The map itself: one table from which addresses, field constants and register data are made.

use super::{Access, BitField, Register, Reset, Table};
use crate::config::ConfigField;

macro_rules! registers {
    ($(
        $konst:ident $name:ident @ $address:literal $access:ident $reset:expr, $doc:literal {
            $( $field:ident $field_name:ident [$lsb:literal; $width:literal] $field_doc:literal; )+
        }
    )+) => {
        /// Byte addresses of the registers, by name. Counters have theirs in
        /// [`Counter::address`](crate::counters::Counter::address).
        pub mod address {
            $( #[doc = $doc] pub const $konst: u16 = $address; )+
        }

        /// The fields of each register, as constants in a module of the register's name.
        pub mod bits {
            use super::BitField;
            $(
                #[doc = $doc]
                pub mod $name {
                    use super::BitField;
                    $(
                        #[doc = $field_doc]
                        pub const $field: BitField = BitField {
                            name: stringify!($field_name),
                            lsb: $lsb,
                            width_bits: $width,
                            doc: $field_doc,
                        };
                    )+
                    /// Every field of the register.
                    pub const ALL: &[BitField] = &[$($field),+];
                }
            )+
            /// The one field of a counter register.
            pub const COUNTER: &[BitField] = &[BitField {
                name: "count",
                lsb: 0,
                width_bits: 32,
                doc: "Events since reset or `counters_clear`; wraps.",
            }];
            /// The one field of a gauge register.
            pub const GAUGE: &[BitField] = &[BitField {
                name: "amount",
                lsb: 0,
                width_bits: 32,
                doc: "Present amount.",
            }];
        }

        /// Every register but the counters, in address order.
        pub const DEFINED: &[Register] = &[$(
            Register {
                name: stringify!($name),
                address: $address,
                access: Access::$access,
                reset: $reset,
                fields: bits::$name::ALL,
                doc: $doc,
            },
        )+];
    };
}

const ZERO: Reset = Reset::Value(0);

registers! {
    ID id @ 0x0000 ReadOnly Reset::Value(0x4c42_484e), "Identifies a Lauberhorn card." {
        MAGIC magic [0; 32] "0x4c42484e, the letters LBHN.";
    }
    VERSION version @ 0x0004 ReadOnly Reset::Value(0x0000_0001), "Version of the register map, for people; software compares the content hash." {
        MINOR minor [0; 16] "Minor version.";
        MAJOR major [16; 16] "Major version.";
    }
    HASH_LO hash_lo @ 0x0008 ReadOnly Reset::ContentHashLow, "Content hash of the interface definition, low half." {
        HASH hash [0; 32] "Bits 31:0.";
    }
    HASH_HI hash_hi @ 0x000c ReadOnly Reset::ContentHashHigh, "Content hash of the interface definition, high half." {
        HASH hash [0; 32] "Bits 63:32.";
    }
    SCRATCH scratch @ 0x0010 ReadWrite ZERO, "Holds what is written, for tests of the access path." {
        VALUE value [0; 32] "Any value.";
    }
    CONTROL control @ 0x0014 ReadWrite ZERO, "Turns the card on." {
        ENABLE enable [0; 1] "Receive frames; while clear, all are ignored and not counted.";
        PROMISCUOUS promiscuous [1; 1] "Hand unicast frames for other MAC addresses to the bypass.";
        EAGER_TX eager_tx [2; 1] "Messages are sent when their control line is written back, instead of when the other one is loaded; change it only before anything was sent.";
        STORE_ACKNOWLEDGE store_acknowledge [3; 1] "An answer is acknowledged when its control line is written back dirty, instead of when the other one is loaded; change it only before anything was loaded.";
    }
    WORKER_ENABLE worker_enable @ 0x0018 ReadWrite ZERO, "Workers that may be given calls; clearing a bit retires a waiting worker." {
        MASK mask [0; 16] "Bit i enables worker endpoint i + 1.";
    }
    BLOCK_TIME_CYCLES block_time_cycles @ 0x001c ReadWrite Reset::Value(10_000), "How long a load of an RX control line waits before it is answered TRY_AGAIN." {
        CYCLES cycles [0; 32] "Core clock cycles; zero answers at once.";
    }
    OWN_MAC_LO own_mac_lo @ 0x0020 ReadWrite ZERO, "The card's MAC address as a 48-bit number (first byte on the wire most significant), low part." {
        MAC mac [0; 32] "Bits 31:0.";
    }
    OWN_MAC_HI own_mac_hi @ 0x0024 ReadWrite ZERO, "The card's MAC address, high part." {
        MAC mac [0; 16] "Bits 47:32.";
    }
    OWN_IPV4 own_ipv4 @ 0x0028 ReadWrite ZERO, "The card's IPv4 address." {
        IPV4 ipv4 [0; 32] "As a number: 192.0.2.1 is 0xc0000201.";
    }
    COUNTERS_CLEAR counters_clear @ 0x002c Command ZERO, "A write of any value sets all counters to zero; gauges stay." {
        CLEAR clear [0; 32] "Ignored.";
    }
    RAW_WORKER raw_worker @ 0x0030 ReadWrite ZERO, "Workers that carry bare Ethernet frames instead of calls: for measurements and for stacks of their own. While a bit is set, frames for the bypass go to those workers that wait, and none to the bypass endpoint." {
        MASK mask [0; 16] "Bit i is for worker endpoint i + 1, which must be enabled too.";
    }
    ENDPOINT_RESET endpoint_reset @ 0x0034 Command ZERO, "Takes endpoints from their workers: what they hold is recalled, calls they owe are answered SYSTEM_ERR, then they are as after reset. Disable the worker first." {
        MASK mask [0; 17] "Written: bit e starts the reset of endpoint e. Read: resets that still run.";
    }
    PREEMPT preempt @ 0x0038 ReadWrite ZERO, "Workers that are asked for their core: READY of their preemption line is cleared, their wait ends with TRY_AGAIN and they are given no more calls. Only for workers that use the line." {
        MASK mask [0; 16] "Bit i asks the worker of endpoint i + 1; clearing it gives the core back.";
    }
    YIELDED yielded @ 0x003c ReadOnly ZERO, "Workers that were asked for their core and have yielded it: they begin nothing until `preempt` is cleared." {
        MASK mask [0; 16] "Bit i is for worker endpoint i + 1.";
    }
    CONFIG_LINE_BYTES config_line_bytes @ 0x0040 ReadOnly Reset::Config(ConfigField::LineBytes), "Configuration: bytes of one cache line." {
        VALUE value [0; 32] "The value.";
    }
    CONFIG_WORKERS config_workers @ 0x0044 ReadOnly Reset::Config(ConfigField::Workers), "Configuration: worker endpoints." {
        VALUE value [0; 32] "The value.";
    }
    CONFIG_MTU_BYTES config_mtu_bytes @ 0x0048 ReadOnly Reset::Config(ConfigField::MtuBytes), "Configuration: largest IP datagram." {
        VALUE value [0; 32] "The value.";
    }
    CONFIG_CALL_SLOTS config_call_slots @ 0x004c ReadOnly Reset::Config(ConfigField::CallSlots), "Configuration: packet buffer slots for calls." {
        VALUE value [0; 32] "The value.";
    }
    CONFIG_BYPASS_SLOTS config_bypass_slots @ 0x0050 ReadOnly Reset::Config(ConfigField::BypassSlots), "Configuration: packet buffer slots for bypass frames." {
        VALUE value [0; 32] "The value.";
    }
    CONFIG_SESSIONS config_sessions @ 0x0054 ReadOnly Reset::Config(ConfigField::Sessions), "Configuration: sessions." {
        VALUE value [0; 32] "The value.";
    }
    CONFIG_SERVICE_ENTRIES config_service_entries @ 0x0058 ReadOnly Reset::Config(ConfigField::ServiceEntries), "Configuration: service table entries per bank." {
        VALUE value [0; 32] "The value.";
    }
    CONFIG_PROGRAM_ENTRIES config_program_entries @ 0x005c ReadOnly Reset::Config(ConfigField::ProgramEntries), "Configuration: program table entries per bank." {
        VALUE value [0; 32] "The value.";
    }
    CONFIG_NEIGHBOUR_ENTRIES config_neighbour_entries @ 0x0060 ReadOnly Reset::Config(ConfigField::NeighbourEntries), "Configuration: neighbour table entries." {
        VALUE value [0; 32] "The value.";
    }
    CONFIG_RPC_PORTS config_rpc_ports @ 0x0064 ReadOnly Reset::Config(ConfigField::RpcPorts), "Configuration: RPC port table entries." {
        VALUE value [0; 32] "The value.";
    }
    RPC_PORT_PORT rpc_port_port @ 0x0100 ReadWrite ZERO, "RPC port table window: the UDP port." {
        PORT port [0; 16] "UDP port as a number.";
    }
    RPC_PORT_COMMIT rpc_port_commit @ 0x0104 ReadWrite ZERO, "RPC port table window: writes or reads one entry." {
        INDEX index [0; 10] "Entry.";
        VALID valid [16; 1] "The entry is in use.";
        READ read [31; 1] "Read the entry instead of writing it; reads as zero.";
    }
    SERVICE_PROGRAM service_program @ 0x0120 ReadWrite ZERO, "Service table window, key: program." {
        PROGRAM program [0; 32] "Program number.";
    }
    SERVICE_VERSION service_version @ 0x0124 ReadWrite ZERO, "Service table window, key: version." {
        VERSION version [0; 32] "Version number.";
    }
    SERVICE_PROCEDURE service_procedure @ 0x0128 ReadWrite ZERO, "Service table window, key: procedure." {
        PROCEDURE procedure [0; 32] "Procedure number.";
    }
    SERVICE_PORT service_port @ 0x012c ReadWrite ZERO, "Service table window, key: port." {
        PORT port [0; 16] "UDP port as a number.";
    }
    SERVICE_FUNCTION_LO service_function_lo @ 0x0130 ReadWrite ZERO, "Service table window, value: function handle, low half." {
        FUNCTION function [0; 32] "Bits 31:0.";
    }
    SERVICE_FUNCTION_HI service_function_hi @ 0x0134 ReadWrite ZERO, "Service table window, value: function handle, high half." {
        FUNCTION function [0; 32] "Bits 63:32.";
    }
    SERVICE_IDS service_ids @ 0x0138 ReadWrite ZERO, "Service table window, value: ids." {
        SERVICE_ID service_id [0; 16] "Copied into the RX header.";
        PROCESS_ID process_id [16; 16] "Process that serves the call.";
    }
    SERVICE_FLAGS service_flags @ 0x013c ReadWrite ZERO, "Service table window, value: flags." {
        NULL_BY_NIC null_by_nic [0; 1] "The card answers this procedure alone with SUCCESS and no results.";
        RESERVED reserved [1; 7] "Stored and read back, without effect.";
    }
    SERVICE_COMMIT service_commit @ 0x0140 ReadWrite ZERO, "Service table window: writes or reads one entry." {
        INDEX index [0; 10] "Entry.";
        BANK bank [15; 1] "Bank.";
        VALID valid [16; 1] "The entry is in use.";
        READ read [31; 1] "Read the entry instead of writing it; reads as zero.";
    }
    PROGRAM_PROGRAM program_program @ 0x0160 ReadWrite ZERO, "Program table window, key: program." {
        PROGRAM program [0; 32] "Program number.";
    }
    PROGRAM_PORT program_port @ 0x0164 ReadWrite ZERO, "Program table window, key: port." {
        PORT port [0; 16] "UDP port as a number.";
    }
    PROGRAM_LOW program_low @ 0x0168 ReadWrite ZERO, "Program table window, value: lowest version, as PROG_MISMATCH reports it." {
        VERSION version [0; 32] "Version number.";
    }
    PROGRAM_HIGH program_high @ 0x016c ReadWrite ZERO, "Program table window, value: highest version, as PROG_MISMATCH reports it." {
        VERSION version [0; 32] "Version number.";
    }
    PROGRAM_VERSION_MASK program_version_mask @ 0x0170 ReadWrite ZERO, "Program table window, value: the versions that exist." {
        MASK mask [0; 32] "Bit i stands for version low + i.";
    }
    PROGRAM_COMMIT program_commit @ 0x0174 ReadWrite ZERO, "Program table window: writes or reads one entry." {
        INDEX index [0; 10] "Entry.";
        BANK bank [15; 1] "Bank.";
        VALID valid [16; 1] "The entry is in use.";
        READ read [31; 1] "Read the entry instead of writing it; reads as zero.";
    }
    NEIGHBOUR_IPV4 neighbour_ipv4 @ 0x0180 ReadWrite ZERO, "Neighbour table window: the IPv4 address." {
        IPV4 ipv4 [0; 32] "As a number.";
    }
    NEIGHBOUR_MAC_LO neighbour_mac_lo @ 0x0184 ReadWrite ZERO, "Neighbour table window: the MAC address as a 48-bit number, low part." {
        MAC mac [0; 32] "Bits 31:0.";
    }
    NEIGHBOUR_MAC_HI neighbour_mac_hi @ 0x0188 ReadWrite ZERO, "Neighbour table window: the MAC address, high part." {
        MAC mac [0; 16] "Bits 47:32.";
    }
    NEIGHBOUR_COMMIT neighbour_commit @ 0x018c ReadWrite ZERO, "Neighbour table window: writes or reads one entry." {
        INDEX index [0; 10] "Entry.";
        VALID valid [16; 1] "The entry is in use.";
        READ read [31; 1] "Read the entry instead of writing it; reads as zero.";
    }
}

/// Every table that is reached through a register window.
pub const TABLES: &[Table] = &[
    Table {
        name: "rpc_port",
        banks: 1,
        entries: ConfigField::RpcPorts,
        registers: &["rpc_port_port"],
        commit: "rpc_port_commit",
        doc: "UDP ports on which calls are looked for; datagrams to all others go to the bypass.",
    },
    Table {
        name: "service",
        banks: 2,
        entries: ConfigField::ServiceEntries,
        registers: &[
            "service_program",
            "service_version",
            "service_procedure",
            "service_port",
            "service_function_lo",
            "service_function_hi",
            "service_ids",
            "service_flags",
        ],
        commit: "service_commit",
        doc: "What serves a call. An entry must lie at the index its bank's hash gives for its key.",
    },
    Table {
        name: "program",
        banks: 2,
        entries: ConfigField::ProgramEntries,
        registers: &[
            "program_program",
            "program_port",
            "program_low",
            "program_high",
            "program_version_mask",
        ],
        commit: "program_commit",
        doc: "Which programs and versions exist, to tell PROG_UNAVAIL, PROG_MISMATCH and \
              PROC_UNAVAIL apart. An entry must lie at the index its bank's hash gives for its key.",
    },
    Table {
        name: "neighbour",
        banks: 1,
        entries: ConfigField::NeighbourEntries,
        registers: &["neighbour_ipv4", "neighbour_mac_lo", "neighbour_mac_hi"],
        commit: "neighbour_commit",
        doc: "MAC addresses of IPv4 neighbours; any index will do.",
    },
];
