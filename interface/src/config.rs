//! The validated configuration of one card.
//!
//! A [`NicConfig`] cannot hold an illegal value: it is built by [`NicConfigBuilder::build`], by one
//! of the named constructors, or by deserialising, which validates too. The hardware generator,
//! the driver and the simulation all derive their sizes from it; the driver reads it back from the
//! `config_…` registers.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::line::{ETHERNET_HEADER_BYTES, FRAME_BODY_OFFSET};

/// Bytes moved per clock cycle on every internal stream and on the line port.
pub const BEAT_BYTES: usize = 64;
/// Frequency of the core clock in hertz; all `_cycles` quantities count its periods.
pub const CORE_CLOCK_HZ: u64 = 250_000_000;
/// Width in bits of a line address (a line index in the card's aperture).
pub const LINE_ADDRESS_BITS: usize = 24;

/// The values a configuration field may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Exactly one of these.
    OneOf(&'static [usize]),
    /// Any value from the first to the second, both included.
    Range(usize, usize),
    /// A power of two from the first to the second, both included.
    PowerOfTwo(usize, usize),
}

impl Allowed {
    /// Whether `value` is allowed.
    pub fn contains(self, value: usize) -> bool {
        match self {
            Self::OneOf(list) => list.contains(&value),
            Self::Range(min, max) => (min..=max).contains(&value),
            Self::PowerOfTwo(min, max) => value.is_power_of_two() && (min..=max).contains(&value),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(list) => {
                f.write_str("one of")?;
                for (i, value) in list.iter().enumerate() {
                    write!(f, "{} {value}", if i == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::Range(min, max) => write!(f, "{min} to {max}"),
            Self::PowerOfTwo(min, max) => write!(f, "a power of two from {min} to {max}"),
        }
    }
}

/// Why a configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A field has a value outside its allowed set.
    #[error("configuration field {} is {value}, allowed is {}", field.name(), field.allowed())]
    Field {
        /// The field.
        field: ConfigField,
        /// The refused value.
        value: usize,
    },
    /// No named configuration has this name.
    #[error("no configuration is called {name:?}, there are eci, cxl and eci-16-jumbo")]
    UnknownName {
        /// The name asked for.
        name: String,
    },
}

macro_rules! config_fields {
    ($( $(#[doc = $doc:literal])+ $field:ident: $variant:ident = $default:literal, $allowed:expr; )+) => {
        /// One field of a [`NicConfig`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ConfigField {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl ConfigField {
            /// Every field, in the order of the `config_…` registers.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The field's name as in [`NicConfig`], in messages and in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field),)+ }
            }

            /// What the field means.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// The values the field may take.
            pub const fn allowed(self) -> Allowed {
                match self { $(Self::$variant => $allowed,)+ }
            }
        }

        /// The validated configuration of one card. See the [module text](self).
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "NicConfigBuilder")]
        pub struct NicConfig {
            $( $field: usize, )+
        }

        impl NicConfig {
            $( $(#[doc = $doc])+ pub const fn $field(&self) -> usize { self.$field } )+

            /// The value of `field`.
            pub const fn get(&self, field: ConfigField) -> usize {
                match field { $(ConfigField::$variant => self.$field,)+ }
            }
        }

        /// Collects the values of a [`NicConfig`]; unset fields have their default.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct NicConfigBuilder {
            $( $field: usize, )+
        }

        impl Default for NicConfigBuilder {
            fn default() -> Self {
                Self { $( $field: $default, )+ }
            }
        }

        impl NicConfigBuilder {
            $( $(#[doc = $doc])+ #[must_use] pub const fn $field(mut self, value: usize) -> Self {
                self.$field = value;
                self
            } )+

            /// Checks every field and returns the configuration, or the first field that is wrong.
            pub fn build(self) -> Result<NicConfig, ConfigError> {
                let config = NicConfig { $( $field: self.$field, )+ };
                for &field in ConfigField::ALL {
                    let value = config.get(field);
                    if !field.allowed().contains(value) {
                        return Err(ConfigError::Field { field, value });
                    }
                }
                Ok(config)
            }
        }
    };
}

config_fields! {
    /// Bytes of one cache line: 128 on ECI, 64 on CXL and PCIe.
    line_bytes: LineBytes = 128, Allowed::OneOf(&[64, 128]);
    /// Worker endpoints; endpoint 0 is the bypass, endpoints 1 to `workers` serve RPCs.
    workers: Workers = 4, Allowed::Range(1, 16);
    /// Largest IP datagram in bytes, received or sent.
    mtu_bytes: MtuBytes = 1500, Allowed::Range(576, 9000);
    /// Packet buffer slots for calls.
    call_slots: CallSlots = 64, Allowed::PowerOfTwo(2, 1024);
    /// Packet buffer slots for bypass frames.
    bypass_slots: BypassSlots = 16, Allowed::PowerOfTwo(2, 1024);
    /// Calls that may be accepted and not yet answered.
    sessions: Sessions = 128, Allowed::PowerOfTwo(2, 1024);
    /// Service table entries in each of its two banks.
    service_entries: ServiceEntries = 128, Allowed::PowerOfTwo(2, 1024);
    /// Program table entries in each of its two banks.
    program_entries: ProgramEntries = 32, Allowed::PowerOfTwo(2, 1024);
    /// Neighbour table entries (IPv4 address to MAC address).
    neighbour_entries: NeighbourEntries = 32, Allowed::PowerOfTwo(2, 256);
    /// UDP ports on which calls are looked for.
    rpc_ports: RpcPorts = 16, Allowed::PowerOfTwo(1, 64);
}

impl TryFrom<NicConfigBuilder> for NicConfig {
    type Error = ConfigError;

    fn try_from(builder: NicConfigBuilder) -> Result<Self, ConfigError> {
        builder.build()
    }
}

impl From<NicConfig> for NicConfigBuilder {
    fn from(c: NicConfig) -> Self {
        Self {
            line_bytes: c.line_bytes,
            workers: c.workers,
            mtu_bytes: c.mtu_bytes,
            call_slots: c.call_slots,
            bypass_slots: c.bypass_slots,
            sessions: c.sessions,
            service_entries: c.service_entries,
            program_entries: c.program_entries,
            neighbour_entries: c.neighbour_entries,
            rpc_ports: c.rpc_ports,
        }
    }
}

impl NicConfig {
    /// The names [`NicConfig::named`] knows.
    pub const NAMES: &[&str] = &["eci", "cxl", "eci-16-jumbo"];

    /// A builder with every field at its default (the `eci` configuration).
    pub fn builder() -> NicConfigBuilder {
        NicConfigBuilder::default()
    }

    /// A builder that starts from this configuration.
    pub fn to_builder(&self) -> NicConfigBuilder {
        self.clone().into()
    }

    /// 128-byte lines, 4 workers, MTU 1500.
    pub fn eci() -> Self {
        Self::legal(Self::builder())
    }

    /// 64-byte lines, 4 workers, MTU 1500.
    pub fn cxl() -> Self {
        Self::legal(Self::builder().line_bytes(64))
    }

    /// 128-byte lines, 16 workers, MTU 9000 and half as many call slots, which are larger.
    pub fn eci_16_jumbo() -> Self {
        Self::legal(Self::builder().workers(16).mtu_bytes(9000).call_slots(32))
    }

    /// The configuration called `name`.
    pub fn named(name: &str) -> Result<Self, ConfigError> {
        match name {
            "eci" => Ok(Self::eci()),
            "cxl" => Ok(Self::cxl()),
            "eci-16-jumbo" => Ok(Self::eci_16_jumbo()),
            _ => Err(ConfigError::UnknownName { name: name.into() }),
        }
    }

    fn legal(builder: NicConfigBuilder) -> Self {
        builder.build().expect("the named configurations are legal")
    }

    /// Beats of one line.
    pub const fn beats_per_line(&self) -> usize {
        self.line_bytes / BEAT_BYTES
    }

    /// Bytes of the line image of the largest message or frame, in whole lines.
    pub const fn capacity_bytes(&self) -> usize {
        (FRAME_BODY_OFFSET + ETHERNET_HEADER_BYTES + self.mtu_bytes)
            .next_multiple_of(self.line_bytes)
    }

    /// Lines of the largest message: the control line and all overflow lines.
    pub const fn message_lines(&self) -> usize {
        self.capacity_bytes() / self.line_bytes
    }

    /// Overflow lines per direction of every endpoint.
    pub const fn overflow_lines(&self) -> usize {
        self.message_lines() - 1
    }

    /// Beats between the starts of two packet buffer slots; a power of two.
    pub const fn slot_beats(&self) -> usize {
        (self.capacity_bytes() / BEAT_BYTES).next_power_of_two()
    }

    /// All endpoints: the bypass and the workers.
    pub const fn endpoints(&self) -> usize {
        self.workers + 1
    }

    /// Largest Ethernet frame in bytes, without its FCS.
    pub const fn max_frame_bytes(&self) -> usize {
        ETHERNET_HEADER_BYTES + self.mtu_bytes
    }

    /// Lines that hold a message whose body ends `end_bytes` after the start of the line image.
    pub const fn lines_for(&self, end_bytes: usize) -> usize {
        end_bytes.div_ceil(self.line_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn named_configurations_have_the_documented_sizes() {
        let eci = NicConfig::eci();
        assert_eq!(
            (eci.line_bytes(), eci.workers(), eci.endpoints()),
            (128, 4, 5)
        );
        assert_eq!(
            (eci.capacity_bytes(), eci.overflow_lines(), eci.slot_beats()),
            (1664, 12, 32)
        );
        let cxl = NicConfig::cxl();
        assert_eq!(
            (cxl.beats_per_line(), cxl.overflow_lines(), cxl.slot_beats()),
            (1, 24, 32)
        );
        let jumbo = NicConfig::named("eci-16-jumbo").unwrap();
        assert_eq!(
            (jumbo.workers(), jumbo.call_slots(), jumbo.max_frame_bytes()),
            (16, 32, 9014)
        );
        assert_eq!(
            (
                jumbo.capacity_bytes(),
                jumbo.overflow_lines(),
                jumbo.slot_beats()
            ),
            (9088, 70, 256)
        );
        for name in NicConfig::NAMES {
            NicConfig::named(name).unwrap();
        }
    }

    #[test]
    fn refuses_values_just_outside_and_names_them() {
        let error = NicConfig::builder().workers(17).build().unwrap_err();
        assert_eq!(
            error.to_string(),
            "configuration field workers is 17, allowed is 1 to 16"
        );
        let error = NicConfig::builder().line_bytes(32).build().unwrap_err();
        assert_eq!(
            error.to_string(),
            "configuration field line_bytes is 32, allowed is one of 64, 128"
        );
        let error = NicConfig::builder().sessions(48).build().unwrap_err();
        assert_eq!(
            error.to_string(),
            "configuration field sessions is 48, allowed is a power of two from 2 to 1024"
        );
        assert!(NicConfig::builder().workers(0).build().is_err());
        assert!(NicConfig::builder().mtu_bytes(9001).build().is_err());
        assert!(NicConfig::builder().call_slots(2048).build().is_err());
        assert!(
            NicConfig::named("upi")
                .unwrap_err()
                .to_string()
                .contains("\"upi\"")
        );
    }

    #[test]
    fn json_round_trips_and_is_validated() {
        let jumbo = NicConfig::eci_16_jumbo();
        let text = serde_json::to_string(&jumbo).unwrap();
        assert_eq!(serde_json::from_str::<NicConfig>(&text).unwrap(), jumbo);
        assert_eq!(jumbo.to_builder().build().unwrap(), jumbo);
        let wrong = serde_json::from_str::<NicConfig>(r#"{"workers": 99}"#).unwrap_err();
        assert!(wrong.to_string().contains("workers is 99"), "{wrong}");
        assert!(serde_json::from_str::<NicConfig>(r#"{"worker": 4}"#).is_err());
    }
}
