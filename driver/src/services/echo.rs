//! # Echo
//! Program 0x2000_0102 version 1: procedure 1 takes `opaque<>` and returns it. NULL runs through a
//! handler, so that an empty call can be timed.

use crate::service::{Call, HandlerResult, ServiceError, Services};
use crate::xdr::{Reader, Writer};

/// RPC program number.
pub const PROGRAM: u32 = 0x2000_0102;
/// Its version.
pub const VERSION: u32 = 1;
/// The procedure that does nothing.
pub const NULL: u32 = 0;
/// The procedure that echoes.
pub const ECHO: u32 = 1;

/// Registers the service on the default port of `services`.
pub fn register(services: &mut Services) -> Result<(), ServiceError> {
    services.register(PROGRAM, VERSION, NULL, |_, _, _| Ok(()))?;
    services.register(PROGRAM, VERSION, ECHO, echo)
}

fn echo(_: &Call, arguments: &[u8], results: &mut Vec<u8>) -> HandlerResult {
    let mut reader = Reader::new(arguments);
    let data = reader.opaque(usize::MAX)?;
    reader.end()?;
    Writer::new(results).opaque(data);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::AcceptError;
    use crate::services::testing::call;

    #[test]
    fn returns_its_arguments() {
        for length in [0usize, 1, 2, 3, 4, 5, 64, 1000, 1400, 8900] {
            let mut arguments = (length as u32).to_be_bytes().to_vec();
            arguments.extend((0..length).map(|i| i as u8));
            arguments.resize(arguments.len().next_multiple_of(4), 0);
            let mut results = Vec::new();
            echo(&call(PROGRAM, VERSION, ECHO), &arguments, &mut results).unwrap();
            assert_eq!(results, arguments, "{length} bytes");
        }
    }

    #[test]
    fn refuses_a_length_that_lies() {
        for arguments in [
            &[0, 0, 0, 8, 1, 2, 3, 4][..],
            &[0, 0, 0, 0, 0, 0, 0, 0],
            &[0xff; 8],
        ] {
            let result = echo(&call(PROGRAM, VERSION, ECHO), arguments, &mut Vec::new());
            assert_eq!(result, Err(AcceptError::GarbageArgs), "{arguments:?}");
        }
    }
}
