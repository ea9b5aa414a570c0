//! The layouts pinned by hand-written bytes, and the typed view tied to the field tables.

use super::*;
use alloc::vec::Vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

fn call() -> RxHeader {
    RxHeader {
        kind: RxKind::Call,
        length_bytes: 0x0102,
        session: SessionHandle {
            index: 0x0304,
            generation: 0x0506,
        },
        function: 0x1112_1314_1516_1718,
        xid: 0x2122_2324,
        procedure: 0x3132_3334,
        peer_ipv4: 0xc000_0201,
        peer_port: 0x4142,
        service_id: 0x5152,
    }
}

#[test]
fn rx_header_is_pinned_by_literal_bytes() {
    #[rustfmt::skip]
    let bytes = [
        0x05, 0x00, 0x02, 0x01,
        0x04, 0x03, 0x06, 0x05,
        0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
        0x24, 0x23, 0x22, 0x21,
        0x34, 0x33, 0x32, 0x31,
        0x01, 0x02, 0x00, 0xc0,
        0x42, 0x41,
        0x52, 0x51,
    ];
    assert_eq!(call().encode(), bytes);
    assert_eq!(RxHeader::decode(&bytes), Ok(call()));
    let first = |kind| {
        RxHeader {
            kind,
            ..RxHeader::default()
        }
        .encode()[0]
    };
    assert_eq!(
        RxKind::ALL.iter().map(|&k| first(k)).collect::<Vec<_>>(),
        [0, 2, 5, 7, 8]
    );
}

#[test]
fn preemption_word_is_pinned_by_literal_bytes() {
    for (ready, busy, first) in [
        (false, false, 0),
        (true, false, 2),
        (false, true, 4),
        (true, true, 6),
    ] {
        let word = PreemptWord { ready, busy };
        let bytes = [first, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(u64::from(word).to_le_bytes(), bytes);
        assert_eq!(PreemptWord::from(u64::from_le_bytes(bytes)), word);
        assert_eq!(preemption::READY.read(&bytes), u64::from(ready));
        assert_eq!(preemption::BUSY.read(&bytes), u64::from(busy));
    }
}

#[test]
fn tx_header_is_pinned_by_literal_bytes() {
    let header = TxHeader {
        kind: TxKind::ErrorReply,
        status: 5,
        length_bytes: 0x0708,
        session: SessionHandle {
            index: 0x0304,
            generation: 0x0506,
        },
        sequence: 0x2122_2324,
    };
    let mut bytes = [0; HEADER_BYTES];
    bytes[..12].copy_from_slice(&[
        0x55, 0x00, 0x08, 0x07, 0x04, 0x03, 0x06, 0x05, 0x24, 0x23, 0x22, 0x21,
    ]);
    assert_eq!(header.encode(), bytes);
    assert_eq!(TxHeader::decode(&bytes), Ok(header));
    let first = |kind| {
        TxHeader {
            kind,
            ..TxHeader::default()
        }
        .encode()[0]
    };
    assert_eq!(
        TxKind::ALL.iter().map(|&k| first(k)).collect::<Vec<_>>(),
        [0, 3, 5, 7, 9]
    );
}

#[test]
fn body_offsets_are_pinned() {
    assert_eq!(
        (RxKind::Call.body_offset(), RxKind::Frame.body_offset()),
        (32, 34)
    );
    assert_eq!(
        (TxKind::Reply.body_offset(), TxKind::Frame.body_offset()),
        (32, 34)
    );
    assert_eq!(call().end_bytes(), 32 + 0x0102);
}

#[test]
fn refuses_illegal_headers_and_says_why() {
    let mut line = call().encode();
    line[0] = 0x0f;
    assert_eq!(
        RxHeader::decode(&line),
        Err(HeaderError::UnknownKind {
            direction: "RX",
            kind: 7
        })
    );
    line[0] = 0x04;
    assert_eq!(
        RxHeader::decode(&line),
        Err(HeaderError::ValidBit {
            direction: "RX",
            kind: 2,
            valid: false
        })
    );
    line[0] = 0x15;
    assert_eq!(
        RxHeader::decode(&line),
        Err(HeaderError::Reserved {
            direction: "RX",
            byte: 0
        })
    );
    let mut line = TxHeader::default().encode();
    line[31] = 1;
    assert_eq!(
        TxHeader::decode(&line),
        Err(HeaderError::Reserved {
            direction: "TX",
            byte: 31
        })
    );
}

#[test]
fn fields_do_not_overlap_and_fit_their_words() {
    for fields in [rx::FIELDS, tx::FIELDS] {
        let mut end = 0;
        for field in fields {
            assert!(field.line_lsb() >= end, "{} overlaps", field.name);
            assert!(
                field.lsb + field.width_bits <= field.word_bytes * 8,
                "{}",
                field.name
            );
            end = field.line_lsb() + field.width_bits;
        }
        assert!(end <= HEADER_BYTES * 8);
    }
}

fn rx_header() -> impl Strategy<Value = RxHeader> {
    let kind = prop::sample::select(RxKind::ALL);
    let words = any::<(u16, u32, u64, u32, u32, u32, u16, u16)>();
    (kind, words).prop_map(|(kind, w)| RxHeader {
        kind,
        length_bytes: w.0,
        session: w.1.into(),
        function: w.2,
        xid: w.3,
        procedure: w.4,
        peer_ipv4: w.5,
        peer_port: w.6,
        service_id: w.7,
    })
}

fn tx_header() -> impl Strategy<Value = TxHeader> {
    let kind = prop::sample::select(TxKind::ALL);
    (kind, 0u16..0x1000, any::<(u16, u32, u32)>()).prop_map(|(kind, status, w)| TxHeader {
        kind,
        status,
        length_bytes: w.0,
        session: w.1.into(),
        sequence: w.2,
    })
}

/// Runs `property` on values of `strategy` that follow from the one root seed.
fn for_all<S: Strategy>(strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let text = std::env::var("LAUBERHORN_SEED").unwrap_or("1".into());
    let seed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let seed = seed.expect("LAUBERHORN_SEED is a decimal or 0x hexadecimal number");
    println!("reproduce with LAUBERHORN_SEED={seed} cargo test -p lauberhorn-interface");
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome = TestRunner::new_with_rng(config, rng).run(&strategy, property);
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn rx_typed_view_agrees_with_the_field_table() {
    for_all(rx_header(), |h| {
        let line = h.encode();
        prop_assert_eq!(RxHeader::decode(&line), Ok(h));
        let values = [
            u64::from(h.kind.is_valid()),
            h.kind as u64,
            h.length_bytes.into(),
            h.session.index.into(),
            h.session.generation.into(),
            h.function,
            h.xid.into(),
            h.procedure.into(),
            h.peer_ipv4.into(),
            h.peer_port.into(),
            h.service_id.into(),
        ];
        agrees(rx::FIELDS, &values, &line)
    });
}

#[test]
fn tx_typed_view_agrees_with_the_field_table() {
    for_all(tx_header(), |h| {
        let line = h.encode();
        prop_assert_eq!(TxHeader::decode(&line), Ok(h));
        let values = [
            u64::from(h.kind.is_valid()),
            h.kind as u64,
            h.status.into(),
            h.length_bytes.into(),
            h.session.index.into(),
            h.session.generation.into(),
            h.sequence.into(),
        ];
        agrees(tx::FIELDS, &values, &line)
    });
}

fn agrees(
    fields: &[Field],
    values: &[u64],
    line: &[u8; HEADER_BYTES],
) -> Result<(), TestCaseError> {
    prop_assert_eq!(values.len(), fields.len());
    let mut from_table = [0; HEADER_BYTES];
    for (field, &value) in fields.iter().zip(values) {
        prop_assert_eq!(field.read(line), value, "{}", field.name);
        field.write(&mut from_table, value);
    }
    prop_assert_eq!(&from_table, line);
    Ok(())
}
