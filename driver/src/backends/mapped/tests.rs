//! A file takes the place of the device's memory.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicUsize;

use lauberhorn_coherence::{EndpointLayout, LineRole, Parity};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::line::{RxHeader, RxKind, SessionHandle, TxHeader, TxKind};

use super::*;
use crate::endpoint::tx::TxMessage;
use crate::endpoint::{
    EndpointError, Mode, PreemptionLine, RxEndpoint, RxEvent, TxEndpoint, TxMode,
};
use crate::lines::block_on_ready;
use crate::testing::{image, pattern};

/// A file without a name.
fn file(bytes: usize) -> File {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("lauberhorn-mapped-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let options = || {
        File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .clone()
    };
    let file = options().open(&path).expect("a temporary file");
    std::fs::remove_file(&path).expect("just created");
    file.set_len(bytes as u64)
        .expect("room in the temporary folder");
    file
}

fn run<T>(future: impl Future<Output = T>) -> T {
    block_on_ready(future).expect("mapped accesses complete at once")
}

struct Bench {
    file: File,
    layout: EndpointLayout,
    lines: MappedLines,
}

fn bench() -> Bench {
    let layout = EndpointLayout::contiguous(&NicConfig::cxl());
    let file = file(layout.aperture_bytes());
    let region = Mmio::map(&file, 0, layout.aperture_bytes()).unwrap();
    let lines = MappedLines::new(Arc::new(region), &layout, None);
    Bench {
        file,
        layout,
        lines,
    }
}

impl Bench {
    fn put(&self, endpoint: usize, role: LineRole, bytes: &[u8]) {
        let address = self.layout.address(endpoint, role).unwrap();
        self.file
            .write_all_at(bytes, self.layout.byte_offset(address) as u64)
            .unwrap();
    }

    fn get(&self, endpoint: usize, role: LineRole) -> Vec<u8> {
        let address = self.layout.address(endpoint, role).unwrap();
        let mut line = vec![0; self.layout.line_bytes()];
        self.file
            .read_exact_at(&mut line, self.layout.byte_offset(address) as u64)
            .unwrap();
        line
    }
}

#[test]
fn endpoint_receives_from_mapped_lines() {
    let bench = bench();
    let header = RxHeader {
        kind: RxKind::Call,
        function: 7,
        ..RxHeader::default()
    };
    let body = pattern(150);
    for (n, line) in image(header, &body).chunks(64).enumerate() {
        bench.put(2, LineRole::rx_image(Parity::Zero, n), line);
    }
    let mut rx = RxEndpoint::new(&bench.layout, 2, Mode::RECALL).unwrap();
    let event = run(rx.receive(&bench.lines)).unwrap();
    assert_eq!(
        event,
        RxEvent::Message(RxHeader {
            length_bytes: 150,
            ..header
        })
    );
    assert_eq!(rx.body(), body);
}

#[test]
fn endpoint_sends_through_mapped_lines() {
    let bench = bench();
    let mut tx = TxEndpoint::new(&bench.layout, 1, TxMode::Recall).unwrap();
    let session = SessionHandle {
        index: 3,
        generation: 4,
    };
    let message = TxMessage {
        kind: TxKind::Reply,
        status: 0,
        session,
    };
    let body = pattern(101);
    run(tx.send(&bench.lines, message, &body)).unwrap();
    let lines = (0..3).flat_map(|n| bench.get(1, LineRole::tx_image(Parity::Zero, n)));
    let sent: Vec<_> = lines.collect();
    let header = TxHeader {
        kind: TxKind::Reply,
        status: 0,
        length_bytes: 101,
        session,
        sequence: 0,
    };
    assert_eq!(
        (&sent[..32], &sent[32..133]),
        (&header.encode()[..], &body[..])
    );
    assert!(sent[133..].iter().all(|&byte| byte == 0));
}

#[test]
fn refuses_lines_outside_and_odd_shapes() {
    let Bench { lines, layout, .. } = bench();
    let count = layout.aperture_lines();
    let (last, outside) = (LineAddress(count as u32 - 1), LineAddress(count as u32));
    let mut line = vec![0; 64];
    assert_eq!(run(lines.load(last, &mut line)), Ok(()));
    let error = LinesError::OutOfRange {
        line: outside,
        lines: count,
    };
    assert_eq!(run(lines.load(outside, &mut line)), Err(error.clone()));
    assert_eq!(run(lines.load_exclusive(outside)), Err(error.clone()));
    assert_eq!(run(lines.store(outside, 0, &line)), Err(error.clone()));
    assert_eq!(
        run(lines.load_many(&[last, outside], &mut [0; 128])),
        Err(error)
    );
    for (offset, len) in [(0, 72), (56, 16), (4, 8), (0, 12), (usize::MAX - 7, 16)] {
        let error = LinesError::Shape {
            offset,
            len,
            line_bytes: 64,
        };
        assert_eq!(run(lines.store(last, offset, &vec![0; len])), Err(error));
    }
    let error = LinesError::Shape {
        offset: 0,
        len: 64,
        line_bytes: 64,
    };
    assert_eq!(run(lines.load_many(&[last, last], &mut line)), Err(error));
}

#[test]
fn stores_parts_of_a_line() {
    let bench = bench();
    let role = LineRole::TxOverflow(3);
    let line = bench.layout.address(4, role).unwrap();
    run(bench.lines.store(line, 0, &[1; 64])).unwrap();
    run(bench.lines.store(line, 16, &[2; 8])).unwrap();
    run(bench.lines.write_back(line)).unwrap();
    let expected = [[1; 16].to_vec(), vec![2; 8], vec![1; 40]].concat();
    assert_eq!(bench.get(4, role), expected);
}

#[test]
fn registers_are_little_endian_words() {
    let file = file(REGISTER_BYTES);
    let region = Mmio::map(&file, 0, REGISTER_BYTES).unwrap();
    let registers = MappedRegisters::new(Arc::new(region));
    run(registers.write32(address::SCRATCH, 0x0102_0304)).unwrap();
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, address::SCRATCH.into())
        .unwrap();
    assert_eq!(bytes, [4, 3, 2, 1]);
    assert_eq!(run(registers.read32(address::SCRATCH)), Ok(0x0102_0304));
    let odd = RegistersError::BadAddress {
        address: 0x12,
        bytes: 0x1_0000,
    };
    assert_eq!(run(registers.read32(0x12)), Err(odd.clone()));
    assert_eq!(run(registers.write32(0x12, 0)), Err(odd));
}

#[test]
fn all_ones_mean_gone_only_if_the_id_register_agrees() {
    let file = file(REGISTER_BYTES);
    file.write_all_at(&[0xff; 64], address::SCRATCH.into())
        .unwrap();
    let region = Arc::new(Mmio::map(&file, 0, REGISTER_BYTES).unwrap());
    let registers = MappedRegisters::new(region);
    let bench = bench();
    let lines = MappedLines {
        registers: Some(registers.clone()),
        ..bench.lines.clone()
    };
    bench.put(0, LineRole::RxOverflow(0), &[0xff; 64]);
    let line = bench.layout.address(0, LineRole::RxOverflow(0)).unwrap();
    let mut data = [0; 64];
    assert_eq!(run(registers.read32(address::SCRATCH)), Ok(u32::MAX));
    assert_eq!(run(lines.load(line, &mut data)), Ok(()));

    file.write_all_at(&[0xff; 4], address::ID.into()).unwrap();
    let error = run(registers.read32(address::SCRATCH)).unwrap_err();
    assert!(matches!(error, RegistersError::Gone { .. }), "{error}");
    let error = run(lines.load(line, &mut data)).unwrap_err();
    assert!(matches!(error, LinesError::Gone { .. }), "{error}");
}

#[test]
fn refuses_what_needs_a_cache() {
    let bench = bench();
    let line = PreemptionLine::new(&bench.layout, 1).unwrap();
    let error = run(line.begin(&bench.lines)).unwrap_err();
    let source = LinesError::NotCached {
        line: bench.layout.address(1, LineRole::Preemption).unwrap(),
    };
    assert_eq!(
        error,
        EndpointError::Lines {
            endpoint: 1,
            source
        }
    );
}
