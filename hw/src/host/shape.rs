//! Sizes and address tables of the host side, from configuration and endpoint layout.

use crate::rtl::{Body, Expr, Value};
use lauberhorn_coherence::layout::{EndpointLayout, LineRole, Parity};
use lauberhorn_interface::NicConfig;
use lauberhorn_interface::config::BEAT_BYTES;

/// Width of an overflow line's number.
pub(crate) const INDEX_BITS: usize = 8;
/// Width of a beat number in a line image, with room for a count.
pub(crate) const BEAT_BITS: usize = 9;
/// Width of an endpoint number.
pub(crate) const ENDPOINT_BITS: usize = 5;
/// Width of a packet buffer slot.
pub(crate) const SLOT_BITS: usize = 10;
/// Width of a beat address in any line buffer.
pub(crate) const BUFFER_ADDRESS_BITS: usize = 16;
/// Number of the preemption line among the control lines of the RX side, in recall requests: behind
/// the pair.
pub(crate) const PREEMPTION_INDEX: u128 = 2;
/// Width of a line address.
const LINE_ADDRESS_BITS: usize = lauberhorn_interface::config::LINE_ADDRESS_BITS;

/// Sizes and address tables of the host side.
#[derive(Clone, Debug)]
pub struct Shape {
    config: NicConfig,
    layout: EndpointLayout,
}

impl Default for Shape {
    fn default() -> Self {
        let config = NicConfig::eci();
        let layout = EndpointLayout::contiguous(&config);
        Self::new(&config, &layout)
    }
}

/// What a line of an endpoint is, decoded from its offset in the endpoint's block.
#[derive(Clone, Copy)]
pub(crate) struct DecodedLine<'b> {
    /// The line has a role in an endpoint's RX or TX half.
    pub half: Expr<'b>,
    /// It is the preemption line.
    pub preemption: Expr<'b>,
    /// It belongs to the TX half.
    pub tx: Expr<'b>,
    /// It is a control line, `index` is its parity; else an overflow line, `index` is its number.
    pub control: Expr<'b>,
    /// Parity or number.
    pub index: Expr<'b>,
    /// Where the line lies in the endpoint's part of the transmit lines.
    pub beat: Expr<'b>,
    /// Endpoint; meaningless when there is no such endpoint (then `half` and `preemption` are 0).
    pub endpoint: Expr<'b>,
}

impl Shape {
    /// The host side of a card.
    ///
    /// # Panics
    /// When a buffer would need more than 16 address bits or slots more than 10.
    pub fn new(config: &NicConfig, layout: &EndpointLayout) -> Self {
        let slots = config.call_slots() + config.bypass_slots();
        assert!(
            slots <= 1 << SLOT_BITS,
            "host: {slots} packet buffer slots, at most {} can be addressed",
            1 << SLOT_BITS
        );
        assert!(
            slots * config.slot_beats() <= 1 << BUFFER_ADDRESS_BITS,
            "host: {slots} slots of {} beats need more than {BUFFER_ADDRESS_BITS} address bits",
            config.slot_beats()
        );
        assert!(
            layout.endpoints() == config.endpoints()
                && layout.overflow_lines() == config.overflow_lines()
                && layout.line_bytes() == config.line_bytes(),
            "host: the endpoint layout was made for another configuration"
        );
        Self {
            config: config.clone(),
            layout: layout.clone(),
        }
    }

    /// The card's configuration.
    pub fn config(&self) -> &NicConfig {
        &self.config
    }

    /// Where the lines lie at the line port.
    pub fn layout(&self) -> &EndpointLayout {
        &self.layout
    }

    /// Endpoints, the bypass included.
    pub fn endpoints(&self) -> usize {
        self.config.endpoints()
    }

    /// Overflow lines per direction.
    pub fn overflow_lines(&self) -> usize {
        self.config.overflow_lines()
    }

    /// Beats of one line.
    pub fn beats_per_line(&self) -> usize {
        self.config.beats_per_line()
    }

    /// Line addresses of all endpoints.
    pub(crate) fn line_count(&self) -> usize {
        self.layout.stride_lines() * self.endpoints()
    }

    /// Beats of the largest line image.
    pub fn message_beats(&self) -> usize {
        self.config.capacity_bytes() / BEAT_BYTES
    }

    /// Beats between two endpoints in the transmit lines: both control lines and the overflow lines.
    pub fn transmit_stride_beats(&self) -> usize {
        (self.message_beats() + self.beats_per_line()).next_power_of_two()
    }

    /// Depth of an endpoint's load queues: one load for each line of the half.
    pub fn load_queue_depth(&self) -> usize {
        (2 + self.overflow_lines()).next_power_of_two()
    }

    /// Where a TX line lies in its endpoint's part of the transmit lines. T0 lies where the image
    /// has it, T1 behind the image: a stale write of one never touches the other.
    fn transmit_beat(&self, role: LineRole) -> usize {
        match role {
            LineRole::TxControl(Parity::One) => self.message_beats(),
            LineRole::TxOverflow(n) => (n + 1) * self.beats_per_line(),
            _ => 0,
        }
    }

    fn offset_bits(&self) -> usize {
        self.layout.stride_lines().ilog2() as usize
    }

    /// Decodes a line address.
    pub(crate) fn decode<'b>(&self, b: &'b Body, address: Expr<'b>) -> DecodedLine<'b> {
        let offset_bits = self.offset_bits();
        let words: Vec<Value> = (0..self.layout.stride_lines())
            .map(|offset| {
                let role = self.layout.role(offset);
                let (control, index) = match role {
                    Some(LineRole::RxControl(p) | LineRole::TxControl(p)) => (true, p.index()),
                    Some(LineRole::RxOverflow(n) | LineRole::TxOverflow(n)) => (false, n),
                    Some(LineRole::Preemption) | None => (false, 0),
                };
                let half = role.is_some_and(|role| role.is_rx() || role.is_tx());
                let word = u128::from(half)
                    | u128::from(role == Some(LineRole::Preemption)) << 1
                    | u128::from(role.is_some_and(LineRole::is_tx)) << 2
                    | u128::from(control) << 3
                    | (index as u128) << 4
                    | (role.map_or(0, |role| self.transmit_beat(role)) as u128) << (4 + INDEX_BITS);
                Value::new(4 + INDEX_BITS + BEAT_BITS, word)
            })
            .collect();
        let word = b.rom("line_roles", &words, address.trunc(offset_bits));
        let word = b.wire("line_role", word);
        let block = address.slice(offset_bits, LINE_ADDRESS_BITS - offset_bits);
        let end = b.lit(block.width(), self.endpoints() as u128);
        let inside = b.wire("in_aperture", block.lt(end));
        DecodedLine {
            half: inside & word.bit(0),
            preemption: inside & word.bit(1),
            tx: word.bit(2),
            control: word.bit(3),
            index: word.slice(4, INDEX_BITS),
            beat: word.slice(4 + INDEX_BITS, BEAT_BITS),
            endpoint: block.trunc(ENDPOINT_BITS),
        }
    }

    /// The address of a line from its endpoint and role, as [`Shape::decode`] names it, and of the
    /// preemption line by [`PREEMPTION_INDEX`].
    pub(crate) fn encode<'b>(
        &self,
        b: &'b Body,
        endpoint: Expr<'b>,
        tx: Expr<'b>,
        control: Expr<'b>,
        index: Expr<'b>,
    ) -> Expr<'b> {
        let number_bits = self.overflow_lines().next_power_of_two().ilog2().max(2) as usize;
        let words: Vec<Value> = (0..1 << (number_bits + 2))
            .map(|line: usize| {
                let number = line % (1 << number_bits);
                let parity = Parity::BOTH[number % 2];
                let role = match line >> number_bits {
                    2 if number == PREEMPTION_INDEX as usize => LineRole::Preemption,
                    0 => LineRole::RxOverflow(number),
                    1 => LineRole::TxOverflow(number),
                    2 => LineRole::RxControl(parity),
                    _ => LineRole::TxControl(parity),
                };
                let offset = self.layout.offset(role).unwrap_or_default();
                Value::new(self.offset_bits(), offset as u128)
            })
            .collect();
        let line = b.cat(&[control, tx, index.trunc(number_bits)]);
        let offset = b.rom("line_offsets", &words, line);
        let padding = LINE_ADDRESS_BITS - ENDPOINT_BITS - self.offset_bits();
        b.cat(&[b.zero(padding), endpoint, offset])
    }

    /// The beat in the transmit lines' part of an endpoint, of an overflow line or control line.
    pub(crate) fn transmit_beat_of<'b>(
        &self,
        b: &'b Body,
        control: Expr<'b>,
        index: Expr<'b>,
    ) -> Expr<'b> {
        let second = b.lit(BEAT_BITS, self.message_beats() as u128);
        let of_control = index.bit(0).mux(second, b.zero(BEAT_BITS));
        control.mux(of_control, self.overflow_beat(index))
    }

    /// The beat in a line image at which an overflow line starts.
    pub(crate) fn overflow_beat<'b>(&self, index: Expr<'b>) -> Expr<'b> {
        let line = index.zext(BEAT_BITS).inc();
        match self.beats_per_line() {
            1 => line,
            _ => {
                let b = index.body;
                b.cat(&[line.trunc(BEAT_BITS - 1), b.bit(false)])
            }
        }
    }

    /// The address in the transmit lines of beat `beat | within` of an endpoint's part.
    pub(crate) fn transmit_address<'b>(
        &self,
        b: &'b Body,
        endpoint: Expr<'b>,
        beat: Expr<'b>,
        within: Expr<'b>,
    ) -> Expr<'b> {
        Self::block_address(b, self.transmit_stride_beats(), endpoint, beat, within)
    }

    /// The address in the packet buffer of beat `beat | within` of a slot.
    pub(crate) fn slot_address<'b>(
        &self,
        b: &'b Body,
        slot: Expr<'b>,
        beat: Expr<'b>,
        within: Expr<'b>,
    ) -> Expr<'b> {
        Self::block_address(b, self.config.slot_beats(), slot, beat, within)
    }

    fn block_address<'b>(
        b: &'b Body,
        stride_beats: usize,
        block: Expr<'b>,
        beat: Expr<'b>,
        within: Expr<'b>,
    ) -> Expr<'b> {
        let beat_bits = stride_beats.ilog2() as usize;
        let beat = b.cat(&[beat.slice(1, beat_bits - 1), beat.bit(0) | within]);
        b.cat(&[block, beat])
            .zext(BUFFER_ADDRESS_BITS.max(block.width() + beat_bits))
            .trunc(BUFFER_ADDRESS_BITS)
    }

    /// The shape of a named configuration with the first layout.
    ///
    /// # Panics
    /// When there is no such configuration.
    pub fn named(name: &str) -> Self {
        let config = NicConfig::named(name).unwrap_or_else(|error| panic!("{error}"));
        Self::new(&config, &EndpointLayout::contiguous(&config))
    }
}
