//! What is kept and counted: buffers, slots, tallies; and what only wires: the gatherer.

use super::{CYCLES, start, step};
use crate::host::buffers::{PacketBuffer, TransmitLines};
use crate::host::gather::Gather;
use crate::host::tally::{SlotReturn, Tally};
use crate::host::tests::small;
use crate::rtl::{Dut, Value};
use crate::testing::{random_value, rng, root_seed};
use rand::Rng as _;
use rust_hdl::prelude::Bits;

#[test]
fn buffers_give_the_word_of_an_address_one_cycle_later_and_keep_it() {
    let shape = small(128);
    let mut rng = rng(root_seed(), "buffers");
    let slot_beats = shape.config().slot_beats();
    let words = 12 * slot_beats;
    let call_words = shape.config().call_slots() * slot_beats;
    let mut dut = start(&PacketBuffer::new(&shape));
    let mut beats: Vec<Option<Value>> = vec![None; words];
    let mut headers: Vec<Option<Value>> = vec![None; 12];
    let (mut data, mut header) = (None, None);
    for _ in 0..CYCLES {
        // Words that were never written mean nothing.
        if let Some(data) = &data {
            assert_eq!(dut.get("data"), *data);
        }
        if let Some(header) = &header {
            assert_eq!(dut.get("header"), *header);
        }
        let read = rng.random_ratio(2, 3).then(|| rng.random_range(0..words));
        dut.poke("read$valid", u64::from(read.is_some()));
        if let Some(at) = read {
            dut.poke("read$payload", at as u64);
            data = beats[at].clone();
            header = headers[at / slot_beats].clone();
        }
        let at = rng.random_range(0..call_words);
        let value = random_value(&mut rng, 512);
        dut.poke("write$valid", 1);
        dut.poke_field("write$payload", "address", at as u64);
        dut.set_field("write$payload", "data", &value);
        beats[at] = Some(value);
        // The last beat of a slot has none behind it.
        let at = rng.random_range(call_words..words);
        let spills = rng.random_ratio(1, 2) && (at + 1) % slot_beats != 0;
        let (value, spill) = (random_value(&mut rng, 512), random_value(&mut rng, 272));
        dut.poke("frame_write$valid", 1);
        dut.poke_field("frame_write$payload", "address", at as u64);
        dut.set_field("frame_write$payload", "data", &value);
        dut.poke_field("frame_write$payload", "spills", u64::from(spills));
        dut.set_field("frame_write$payload", "spill", &spill);
        beats[at] = Some(value);
        if spills {
            beats[at + 1] = Some(Value::from_bytes(512, &spill.to_bytes()));
        }
        let slot = rng.random_range(0..12);
        let value = random_value(&mut rng, 256);
        dut.poke("descriptor$valid", 1);
        dut.poke_field("descriptor$payload", "slot", slot as u64);
        dut.set_field("descriptor$payload", "header", &value);
        headers[slot] = Some(value);
        step(&mut dut);
    }
}

#[test]
fn transmit_lines_give_both_readers_a_word_in_every_cycle() {
    let shape = small(128);
    let stride = shape.transmit_stride_beats();
    let slot_beats = shape.config().slot_beats();
    let mut rng = rng(root_seed(), "transmit lines");
    let mut dut = start(&TransmitLines::new(&shape));
    let mut beats: Vec<Option<Value>> = vec![None; 3 * stride];
    let (mut data, mut image) = (None, None);
    for cycle in 0..CYCLES {
        if let Some(data) = &data {
            assert_eq!(dut.get("data"), *data);
        }
        if let Some(image) = &image {
            assert_eq!(dut.get("lines_data"), *image, "cycle {cycle}");
        }
        let parity: [usize; 3] = rng.random::<[bool; 3]>().map(usize::from);
        for (endpoint, parity) in parity.iter().enumerate() {
            dut.poke(&format!("parity${endpoint}"), *parity as u64);
        }
        let at = rng.random_range(0..3 * stride);
        dut.poke("read$valid", 1);
        dut.poke("read$payload", at as u64);
        data = beats[at].clone();
        // The image starts with the control line whose turn it is.
        let endpoint = rng.random_range(0..3);
        let beat = rng.random_range(0..shape.message_beats());
        let control = beat < shape.beats_per_line() && parity[endpoint] == 1;
        let second = if control { shape.message_beats() } else { 0 };
        let place = second + beat;
        dut.poke("lines_read$valid", 1);
        dut.poke("lines_read$payload", (endpoint * slot_beats + beat) as u64);
        image = beats[endpoint * stride + place].clone();
        let at = rng.random_range(0..3 * stride);
        let value = random_value(&mut rng, 512);
        dut.poke("write$valid", 1);
        dut.poke_field("write$payload", "address", at as u64);
        dut.set_field("write$payload", "data", &value);
        beats[at] = Some(value);
        step(&mut dut);
    }
}

#[test]
fn tally_adds_the_pulses_of_every_cycle_one_cycle_later() {
    let shape = small(128);
    let mut rng = rng(root_seed(), "tally");
    let mut dut = start(&Tally::new(&shape));
    let names = ["try_again", "delivered", "early"];
    let mut sums = [0u64; 5];
    for cycle in 0..500 {
        if cycle > 0 {
            let counters = [
                "try_again",
                "delivered",
                "early_loads",
                "stray_loads",
                "incomplete",
            ];
            let seen = counters.map(|name| dut.peek_field("events", &format!("endpoint_{name}")));
            assert_eq!(seen, sums);
        }
        sums = [0; 5];
        for endpoint in 0..3 {
            for (sum, name) in sums.iter_mut().zip(names) {
                let pulse = rng.random_range(0..2);
                dut.poke_field(&format!("rx${endpoint}"), name, pulse);
                *sum += pulse;
            }
            let pulse = rng.random_range(0..2);
            dut.poke(&format!("incomplete${endpoint}"), pulse);
            sums[4] += pulse;
        }
        sums[3] = rng.random_range(0..2);
        dut.poke("stray", sums[3]);
        step(&mut dut);
    }
}

#[test]
fn slots_go_back_to_their_pool_in_the_same_cycle() {
    let shape = small(128);
    let mut dut = start(&SlotReturn::new(&shape));
    for slot in 0..12 {
        for given in [0, 1] {
            dut.poke("rx$valid", given);
            dut.poke("rx$payload", slot);
            let call = slot < shape.config().call_slots() as u64;
            assert_eq!(dut.peek("rx$ready"), 1);
            assert_eq!(dut.peek("call$valid"), given * u64::from(call));
            assert_eq!(dut.peek("bypass$valid"), given * u64::from(!call));
            assert_eq!(
                (dut.peek("call$payload"), dut.peek("bypass$payload")),
                (slot, slot)
            );
        }
    }
}

#[test]
fn gather_passes_its_streams_on_in_the_same_cycle() {
    let mut rng = rng(root_seed(), "gather");
    let mut dut = start(&Gather::<Bits<16>>::new());
    for _ in 0..200 {
        for (index, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let (valid, payload): (bool, u16) = rng.random();
            let ready: bool = rng.random();
            dut.poke(&format!("{name}$valid"), valid.into());
            dut.poke(&format!("{name}$payload"), payload.into());
            dut.poke(&format!("tx${index}$ready"), ready.into());
            assert_eq!(dut.peek(&format!("tx${index}$valid")), u64::from(valid));
            assert_eq!(dut.peek(&format!("tx${index}$payload")), u64::from(payload));
            assert_eq!(dut.peek(&format!("{name}$ready")), u64::from(ready));
        }
    }
}
