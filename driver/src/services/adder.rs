//! # Adder
//! Program 0x2000_0101 version 1: procedure 1 takes two `int` and returns their sum, modulo 2³².
//! NULL is answered by the card.

use crate::service::{Call, HandlerResult, ServiceError, Services};
use crate::xdr::{Reader, Writer};

/// RPC program number.
pub const PROGRAM: u32 = 0x2000_0101;
/// Its version.
pub const VERSION: u32 = 1;
/// The procedure that adds.
pub const ADD: u32 = 1;

/// Registers the service on the default port of `services`.
pub fn register(services: &mut Services) -> Result<(), ServiceError> {
    services.register_null(PROGRAM, VERSION)?;
    services.register(PROGRAM, VERSION, ADD, add)
}

fn add(_: &Call, arguments: &[u8], results: &mut Vec<u8>) -> HandlerResult {
    let mut reader = Reader::new(arguments);
    let (left, right) = (reader.i32()?, reader.i32()?);
    reader.end()?;
    Writer::new(results).i32(left.wrapping_add(right));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::AcceptError;
    use crate::services::testing::call;

    #[test]
    fn adds_and_wraps() {
        let mut results = Vec::new();
        add(
            &call(PROGRAM, VERSION, ADD),
            &[0, 0, 0, 40, 0, 0, 0, 2],
            &mut results,
        )
        .unwrap();
        let arguments = [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1];
        add(&call(PROGRAM, VERSION, ADD), &arguments, &mut results).unwrap();
        assert_eq!(results, [0, 0, 0, 42, 0x80, 0, 0, 0]);
    }

    #[test]
    fn refuses_arguments_of_another_length() {
        for length in [0, 4, 7, 9, 12] {
            let result = add(
                &call(PROGRAM, VERSION, ADD),
                &vec![0; length],
                &mut Vec::new(),
            );
            assert_eq!(result, Err(AcceptError::GarbageArgs), "{length} bytes");
        }
    }
}
