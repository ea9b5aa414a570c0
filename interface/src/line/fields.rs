//! The header layouts as data.

use serde::Serialize;

/// One field of a header: some bits of one little-endian word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Name of the field.
    pub name: &'static str,
    /// Name of the word that holds it; equal to `name` when it fills the word.
    pub word: &'static str,
    /// Offset of the word in the line.
    pub word_byte: usize,
    /// Size of the word.
    pub word_bytes: usize,
    /// Lowest bit of the field in the word.
    pub lsb: usize,
    /// Width of the field.
    pub width_bits: usize,
    /// What it means.
    pub doc: &'static str,
}

impl Field {
    /// Lowest bit of the field in the line (bit 0 of byte 0 is bit 0).
    pub const fn line_lsb(&self) -> usize {
        self.word_byte * 8 + self.lsb
    }

    /// The mask of the field's value, right-aligned.
    pub const fn mask(&self) -> u64 {
        u64::MAX >> (64 - self.width_bits)
    }

    /// Reads the field from a line.
    ///
    /// # Panics
    /// When `line` ends before the field's word.
    pub fn read(&self, line: &[u8]) -> u64 {
        let word = &line[self.word_byte..self.word_byte + self.word_bytes];
        let word = word
            .iter()
            .rev()
            .fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        (word >> self.lsb) & self.mask()
    }

    /// Writes the field into a line; bits of `value` above the width are ignored.
    ///
    /// # Panics
    /// When `line` ends before the field's word.
    pub fn write(&self, line: &mut [u8], value: u64) {
        let bytes = &mut line[self.word_byte..self.word_byte + self.word_bytes];
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        let cleared = u64::from_le_bytes(word) & !(self.mask() << self.lsb);
        let word = (cleared | (value & self.mask()) << self.lsb).to_le_bytes();
        bytes.copy_from_slice(&word[..self.word_bytes]);
    }
}

macro_rules! layout {
    ($(#[$meta:meta])* $module:ident {
        $( $word:ident @ $byte:literal : $bytes:literal {
            $( $konst:ident $name:ident [$lsb:literal; $width:literal] $doc:literal; )+
        } )+
    }) => {
        $(#[$meta])*
        pub mod $module {
            use super::Field;
            $($(
                #[doc = $doc]
                pub const $konst: Field = Field {
                    name: stringify!($name),
                    word: stringify!($word),
                    word_byte: $byte,
                    word_bytes: $bytes,
                    lsb: $lsb,
                    width_bits: $width,
                    doc: $doc,
                };
            )+)+
            /// Every field in line order; bits not named here are zero.
            pub const FIELDS: &[Field] = &[$($($konst),+),+];
        }
    };
}

layout! {
    /// The RX header: what a worker or the bypass finds in a filled control line.
    rx {
        control @ 0 : 4 {
            VALID valid [0; 1] "The line holds a call or a frame.";
            KIND kind [1; 3] "What the line is, see `RxKind`.";
            LENGTH_BYTES length_bytes [16; 16] "Bytes of the body, which may continue in the overflow lines.";
        }
        session @ 4 : 4 {
            SESSION_INDEX session_index [0; 16] "Session of the call: to be named by its reply.";
            SESSION_GENERATION session_generation [16; 16] "Tells successive users of one session index apart.";
        }
        function @ 8 : 8 {
            FUNCTION function [0; 64] "Function handle the driver stored in the service table.";
        }
        xid @ 16 : 4 {
            XID xid [0; 32] "Transaction id of the call.";
        }
        procedure @ 20 : 4 {
            PROCEDURE procedure [0; 32] "Procedure number of the call.";
        }
        peer_ipv4 @ 24 : 4 {
            PEER_IPV4 peer_ipv4 [0; 32] "The caller's IPv4 address as a number (192.0.2.1 is 0xc0000201).";
        }
        peer_port @ 28 : 2 {
            PEER_PORT peer_port [0; 16] "The caller's UDP port as a number.";
        }
        service_id @ 30 : 2 {
            SERVICE_ID service_id [0; 16] "Service id the driver stored in the service table.";
        }
    }
}

layout! {
    /// The TX header: what the host writes into a control line.
    tx {
        control @ 0 : 4 {
            VALID valid [0; 1] "The line holds something to act on.";
            KIND kind [1; 3] "What the line is, see `TxKind`.";
            STATUS status [4; 12] "For ERROR_REPLY: the RFC 5531 accept_stat; else zero.";
            LENGTH_BYTES length_bytes [16; 16] "Bytes of the body, which may continue in the overflow lines.";
        }
        session @ 4 : 4 {
            SESSION_INDEX session_index [0; 16] "Session of the call that is answered.";
            SESSION_GENERATION session_generation [16; 16] "Generation of that session; a stale one is refused and counted.";
        }
        sequence @ 8 : 4 {
            SEQUENCE sequence [0; 32] "Counts the messages of this endpoint.";
        }
    }
}

layout! {
    /// The preemption line: what the card and a worker tell each other about the core. Bit 0, which
    /// marks a message in the control lines, stays clear.
    preemption {
        word @ 0 : 8 {
            READY ready [1; 1] "The card's: the worker may begin.";
            BUSY busy [2; 1] "The worker's: it is between beginning and end.";
        }
    }
}
