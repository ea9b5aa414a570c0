//! # XDR for arguments and results (RFC 4506)
//! A reader over the argument bytes and a writer that appends to the result bytes, for the types
//! that the services here use. Every read checks lengths and padding; a caller turns an error into
//! `GARBAGE_ARGS`.

use thiserror::Error;

/// Bytes of the unit that every XDR item is padded to.
pub const UNIT_BYTES: usize = 4;

/// Why bytes are not the XDR they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum XdrError {
    /// The bytes end within an item.
    #[error("XDR ends at byte {have}, byte {needed} is needed")]
    Short {
        /// Bytes there are.
        have: usize,
        /// Where the item would end.
        needed: usize,
    },
    /// A variable-length item is longer than its type allows.
    #[error("XDR item of {length} bytes, {limit} are allowed")]
    TooLong {
        /// Length the item declares.
        length: usize,
        /// Longest allowed.
        limit: usize,
    },
    /// Padding bytes are not zero.
    #[error("XDR padding at byte {at} is not zero")]
    Padding {
        /// Offset of the padding.
        at: usize,
    },
    /// A string is not UTF-8.
    #[error("XDR string at byte {at} is not UTF-8")]
    NotText {
        /// Offset of the string's bytes.
        at: usize,
    },
    /// Bytes follow the last item.
    #[error("XDR ends at byte {at}, {rest} bytes follow")]
    Trailing {
        /// Where the last item ends.
        at: usize,
        /// Bytes after it.
        rest: usize,
    },
}

/// Reads XDR items one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], XdrError> {
        let needed = self.at.saturating_add(length);
        let taken = self.bytes.get(self.at..needed).ok_or(XdrError::Short {
            have: self.bytes.len(),
            needed,
        })?;
        self.at = needed;
        Ok(taken)
    }

    /// An unsigned integer.
    pub fn u32(&mut self) -> Result<u32, XdrError> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// An integer.
    pub fn i32(&mut self) -> Result<i32, XdrError> {
        Ok(self.u32()? as i32)
    }

    /// Variable-length opaque data of at most `limit` bytes.
    pub fn opaque(&mut self, limit: usize) -> Result<&'a [u8], XdrError> {
        let length = self.u32()? as usize;
        if length > limit {
            return Err(XdrError::TooLong { length, limit });
        }
        let data = self.take(length)?;
        let at = self.at;
        if self.take(padding(length))?.iter().any(|&byte| byte != 0) {
            return Err(XdrError::Padding { at });
        }
        Ok(data)
    }

    /// A string of at most `limit` bytes.
    pub fn string(&mut self, limit: usize) -> Result<&'a str, XdrError> {
        let at = self.at + UNIT_BYTES;
        std::str::from_utf8(self.opaque(limit)?).map_err(|_| XdrError::NotText { at })
    }

    /// Checks that every byte was read.
    pub fn end(&self) -> Result<(), XdrError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            rest => Err(XdrError::Trailing { at: self.at, rest }),
        }
    }
}

/// Appends XDR items to a byte vector.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `bytes`.
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes }
    }

    /// An unsigned integer.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// An integer.
    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.u32(value as u32)
    }

    /// A boolean; also what says whether an optional item or a list's next element follows.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.u32(u32::from(value))
    }

    /// Variable-length opaque data.
    ///
    /// # Panics
    /// Above 4 GiB, which XDR cannot express.
    pub fn opaque(&mut self, data: &[u8]) -> &mut Self {
        self.u32(u32::try_from(data.len()).expect("XDR items are below 4 GiB"));
        self.bytes.extend_from_slice(data);
        self.bytes
            .extend_from_slice(&[0; UNIT_BYTES][..padding(data.len())]);
        self
    }

    /// A string.
    ///
    /// # Panics
    /// Above 4 GiB, which XDR cannot express.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.opaque(text.as_bytes())
    }
}

fn padding(length: usize) -> usize {
    length.wrapping_neg() % UNIT_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_the_bytes_of_the_rfc() {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes)
            .u32(1)
            .i32(-2)
            .bool(true)
            .opaque(b"abcde")
            .string("udp");
        #[rustfmt::skip]
        assert_eq!(bytes, [
            0, 0, 0, 1,
            0xff, 0xff, 0xff, 0xfe,
            0, 0, 0, 1,
            0, 0, 0, 5, b'a', b'b', b'c', b'd', b'e', 0, 0, 0,
            0, 0, 0, 3, b'u', b'd', b'p', 0,
        ]);
        let mut reader = Reader::new(&bytes);
        assert_eq!(
            (reader.u32(), reader.i32(), reader.u32()),
            (Ok(1), Ok(-2), Ok(1))
        );
        assert_eq!(
            (reader.opaque(5), reader.string(3)),
            (Ok(&b"abcde"[..]), Ok("udp"))
        );
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn refuses_every_truncation() {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).u32(7).opaque(b"abc");
        for end in 0..bytes.len() {
            let mut reader = Reader::new(&bytes[..end]);
            let read = reader.u32().and_then(|_| reader.opaque(16));
            assert!(
                matches!(read, Err(XdrError::Short { .. })),
                "cut at {end}: {read:?}"
            );
        }
    }

    #[test]
    fn refuses_long_items_padding_bad_text_and_trailing_bytes() {
        let long = [0xff; 8];
        let limit = XdrError::TooLong {
            length: 0xffff_ffff,
            limit: 64,
        };
        assert_eq!(Reader::new(&long).opaque(64), Err(limit));
        let padded = [0, 0, 0, 1, b'x', 0, 0, 1];
        assert_eq!(
            Reader::new(&padded).opaque(8),
            Err(XdrError::Padding { at: 5 })
        );
        let text = [0, 0, 0, 1, 0x80, 0, 0, 0];
        assert_eq!(
            Reader::new(&text).string(8),
            Err(XdrError::NotText { at: 4 })
        );
        assert_eq!(
            Reader::new(&text).end(),
            Err(XdrError::Trailing { at: 0, rest: 8 })
        );
    }
}
