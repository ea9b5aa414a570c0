//! Every rule is shown to bite.

use lauberhorn_interface::NicConfig;
use lauberhorn_interface::line::TxKind;

use super::*;
use crate::host::{FillBeat, Load, Recall, RecallAckBeat, WritebackBeat};

struct Bench {
    monitor: Monitor,
    cycle: u64,
    events: Vec<LineEvent>,
}

fn words(header: [u8; HEADER_BYTES]) -> BeatData {
    let mut data = [0; 8];
    for (word, chunk) in data.iter_mut().zip(header.chunks_exact(8)) {
        *word = u64::from_le_bytes(chunk.try_into().unwrap());
    }
    data
}

fn rx_data(kind: RxKind, xid: u32) -> BeatData {
    words(
        RxHeader {
            kind,
            xid,
            ..RxHeader::default()
        }
        .encode(),
    )
}

impl Bench {
    fn new() -> Bench {
        let layout = EndpointLayout::contiguous(&NicConfig::cxl());
        Bench {
            monitor: Monitor::new(layout, true),
            cycle: 0,
            events: Vec::new(),
        }
    }

    fn line(&self, role: LineRole) -> u32 {
        self.monitor.layout.address(1, role).unwrap().0
    }

    fn check(&mut self, inputs: LinePortIn, outputs: LinePortOut) -> Result<(), Rule> {
        self.cycle += 1;
        let result = self
            .monitor
            .check_lines(self.cycle, &inputs, &outputs, &mut self.events);
        result.map_err(|violation| violation.rule)
    }

    fn load(&mut self, id: u8, address: u32, exclusive: bool) -> Result<(), Rule> {
        let load = Some(Load {
            address,
            id,
            exclusive,
        });
        let inputs = LinePortIn {
            load,
            ..LinePortIn::default()
        };
        self.check(
            inputs,
            LinePortOut {
                load_ready: true,
                ..LinePortOut::default()
            },
        )
    }

    fn fill(&mut self, id: u8, exclusive: bool, data: BeatData) -> Result<(), Rule> {
        let fill = Some(FillBeat {
            id,
            exclusive,
            data,
            last: true,
        });
        let inputs = LinePortIn {
            fill_ready: true,
            ..LinePortIn::default()
        };
        self.check(
            inputs,
            LinePortOut {
                fill,
                ..LinePortOut::default()
            },
        )
    }

    fn recall(&mut self, id: u16, address: u32) -> Result<(), Rule> {
        let recall = Some(Recall { address, id });
        let inputs = LinePortIn {
            recall_ready: true,
            ..LinePortIn::default()
        };
        self.check(
            inputs,
            LinePortOut {
                recall,
                ..LinePortOut::default()
            },
        )
    }

    fn ack(&mut self, id: u16, dirty: bool, data: BeatData) -> Result<(), Rule> {
        let recall_ack = Some(RecallAckBeat {
            id,
            dirty,
            data,
            last: true,
        });
        let inputs = LinePortIn {
            recall_ack,
            ..LinePortIn::default()
        };
        self.check(
            inputs,
            LinePortOut {
                recall_ack_ready: true,
                ..LinePortOut::default()
            },
        )
    }

    /// The load of R1 that acknowledges R0, and the recall with this id that follows.
    fn acknowledge(&mut self, id: u16) -> Result<(), Rule> {
        let [r0, r1] = Parity::BOTH.map(|parity| self.line(LineRole::RxControl(parity)));
        self.load(8, r1, false)?;
        self.recall(id, r0)
    }

    /// Load and fill of a control line.
    fn answer(&mut self, parity: Parity, data: BeatData) -> Result<(), Rule> {
        let line = self.line(LineRole::RxControl(parity));
        self.load(7, line, false)?;
        self.fill(7, false, data)
    }
}

#[test]
fn accepts_a_call_and_its_acknowledgement_and_reports_the_call_once() {
    let mut bench = Bench::new();
    bench
        .answer(Parity::Zero, rx_data(RxKind::Call, 5))
        .unwrap();
    bench
        .answer(Parity::Zero, rx_data(RxKind::Call, 5))
        .unwrap();
    bench.acknowledge(1).unwrap();
    bench.ack(1, false, [0; 8]).unwrap();
    bench.fill(8, false, rx_data(RxKind::Call, 6)).unwrap();
    let xids: Vec<u32> = bench
        .events
        .iter()
        .map(|event| match event {
            LineEvent::Answered { header, .. } => header.xid,
            LineEvent::Control { .. } => panic!("nothing was sent"),
        })
        .collect();
    assert_eq!(xids, [5, 6]);
}

#[test]
fn reports_a_valid_control_line_of_either_way_back() {
    let mut bench = Bench::new();
    let lines = Parity::BOTH.map(|parity| bench.line(LineRole::TxControl(parity)));
    let header = TxHeader {
        kind: TxKind::Reply,
        length_bytes: 4,
        ..TxHeader::default()
    };
    for (way, line) in lines.into_iter().enumerate() {
        if way == 0 {
            bench.load(1, line, true).unwrap();
            bench.fill(1, true, [0; 8]).unwrap();
            bench.load(1, lines[1], true).unwrap();
            bench.recall(2, line).unwrap();
            bench.ack(2, true, words(header.encode())).unwrap();
            bench.fill(1, true, [0; 8]).unwrap();
        } else {
            let data = words(header.encode());
            let writeback = Some(WritebackBeat {
                address: line,
                dirty: true,
                data,
                last: true,
            });
            let inputs = LinePortIn {
                writeback,
                ..LinePortIn::default()
            };
            let outputs = LinePortOut {
                writeback_ready: true,
                ..LinePortOut::default()
            };
            bench.check(inputs, outputs).unwrap();
        }
    }
    assert_eq!(bench.events.len(), 2);
}

#[test]
fn unstable_offer() {
    let mut bench = Bench::new();
    let recall = Some(Recall { address: 1, id: 0 });
    bench
        .check(
            LinePortIn::default(),
            LinePortOut {
                recall,
                ..LinePortOut::default()
            },
        )
        .unwrap();
    let error = bench.check(LinePortIn::default(), LinePortOut::default());
    assert_eq!(error, Err(Rule::Unstable { channel: "recall" }));

    let beat = WireBeat {
        data: [0; 64],
        keep: 1,
        last: true,
        error: false,
    };
    let mut monitor = Bench::new().monitor;
    monitor.check_tx(0, &Some(beat), false).unwrap();
    assert!(
        monitor
            .check_tx(1, &Some(WireBeat { keep: 3, ..beat }), false)
            .is_err()
    );
}

#[test]
fn stray_and_weak_fills() {
    let mut bench = Bench::new();
    assert_eq!(bench.fill(3, false, [0; 8]), Err(Rule::StrayFill { id: 3 }));
    bench.load(3, 2, true).unwrap();
    assert_eq!(bench.load(3, 3, true), Err(Rule::LoadIdReused { id: 3 }));
    assert!(matches!(
        bench.fill(3, false, [0; 8]),
        Err(Rule::WeakFill { id: 3, .. })
    ));
}

#[test]
fn stray_acknowledgement_and_reused_recall() {
    let mut bench = Bench::new();
    assert_eq!(bench.ack(9, false, [0; 8]), Err(Rule::StrayAck { id: 9 }));
    bench
        .answer(Parity::Zero, rx_data(RxKind::Call, 1))
        .unwrap();
    bench.acknowledge(9).unwrap();
    assert_eq!(bench.recall(9, 2), Err(Rule::RecallIdReused { id: 9 }));
}

#[test]
fn dirty_data_of_a_line_granted_for_reading() {
    let mut bench = Bench::new();
    bench
        .answer(Parity::Zero, rx_data(RxKind::Call, 1))
        .unwrap();
    bench.acknowledge(1).unwrap();
    let line = LineAddress(bench.line(LineRole::RxControl(Parity::Zero)));
    assert_eq!(
        bench.ack(1, true, [0; 8]),
        Err(Rule::DirtyWithoutRight { line })
    );
}

#[test]
fn both_control_lines_held_with_a_message() {
    let mut bench = Bench::new();
    bench
        .answer(Parity::One, rx_data(RxKind::Empty, 0))
        .unwrap();
    let error = bench.answer(Parity::Zero, rx_data(RxKind::Call, 1));
    assert_eq!(error, Err(Rule::BothHeld { endpoint: 1 }));
}

#[test]
fn an_answer_over_a_held_line() {
    let mut bench = Bench::new();
    let overflow = bench.line(LineRole::RxOverflow(2));
    bench.load(1, overflow, false).unwrap();
    bench.fill(1, false, [0; 8]).unwrap();
    let error = bench.answer(Parity::Zero, rx_data(RxKind::Call, 1));
    assert!(matches!(
        error,
        Err(Rule::NotCleared {
            held: LineRole::RxOverflow(2),
            ..
        })
    ));
}

#[test]
fn a_repeated_load_with_another_answer() {
    let mut bench = Bench::new();
    bench
        .answer(Parity::Zero, rx_data(RxKind::Call, 1))
        .unwrap();
    let error = bench.answer(Parity::Zero, rx_data(RxKind::Call, 2));
    assert!(matches!(error, Err(Rule::Divergence(_))), "{error:?}");
}

#[test]
fn a_header_that_means_nothing() {
    let mut bench = Bench::new();
    let error = bench.answer(Parity::Zero, [u64::MAX; 8]);
    assert!(matches!(error, Err(Rule::BadHeader { .. })));
}

#[test]
fn a_two_beat_line_cut_short_or_mixed() {
    let layout = EndpointLayout::contiguous(&NicConfig::eci());
    let mut bench = Bench {
        monitor: Monitor::new(layout, true),
        cycle: 0,
        events: Vec::new(),
    };
    bench.load(1, 2, true).unwrap();
    bench.load(2, 3, true).unwrap();
    let error = bench.fill(1, true, [0; 8]);
    assert!(matches!(
        error,
        Err(Rule::Length {
            beat_idx: 0,
            beat_count: 2,
            ..
        })
    ));
    let beat = |id| {
        let fill = Some(FillBeat {
            id,
            exclusive: true,
            data: [0; 8],
            last: false,
        });
        LinePortOut {
            fill,
            ..LinePortOut::default()
        }
    };
    let inputs = LinePortIn {
        fill_ready: true,
        recall_ready: true,
        ..LinePortIn::default()
    };
    bench.check(inputs, beat(1)).unwrap();
    let recall = Some(Recall { address: 2, id: 0 });
    let error = bench.check(
        inputs,
        LinePortOut {
            recall,
            ..LinePortOut::default()
        },
    );
    assert!(matches!(error, Err(Rule::RecallInsideFill { .. })));
    assert!(matches!(
        bench.check(inputs, beat(2)),
        Err(Rule::Mixed {
            found: 2,
            open: 1,
            ..
        })
    ));
}

#[test]
fn bytes_behind_the_end_of_a_call() {
    let mut bench = Bench::new();
    bench
        .answer(Parity::Zero, rx_data(RxKind::Call, 1))
        .unwrap();
    let overflow = bench.line(LineRole::RxOverflow(0));
    bench.load(1, overflow, false).unwrap();
    // The call ends in its control line, so this one is to be zeros.
    let error = bench.fill(1, false, [1; 8]);
    let Err(Rule::Divergence(divergence)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(divergence.endpoint, 1);
    assert!(divergence.trace.contains("fill of R0"), "{divergence}");
}
