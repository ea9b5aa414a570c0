//! Where the lines of an endpoint lie.
//!
//! The card's aperture is an array of cache lines. Each endpoint owns one block of
//! `stride_lines` of them; within the block every line has a [`LineRole`] or none. Hardware and
//! simulation take an [`EndpointLayout`] as data. The host may find the lines elsewhere, where the
//! bus wants them: the driver takes any [`Placement`].

use std::collections::BTreeMap;
use std::fmt;

use lauberhorn_interface::NicConfig;
use lauberhorn_interface::config::LINE_ADDRESS_BITS;
use thiserror::Error;

use crate::message::LineAddress;

/// Which of the two lines of a control pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Parity {
    /// Line 0, the first to be used after reset.
    #[default]
    Zero,
    /// Line 1.
    One,
}

impl Parity {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::Zero, Self::One];

    /// The other line of the pair.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Zero => Self::One,
            Self::One => Self::Zero,
        }
    }

    /// 0 or 1.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What a line of an endpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LineRole {
    /// A control line the card fills: R0 or R1.
    RxControl(Parity),
    /// A control line the host writes: T0 or T1.
    TxControl(Parity),
    /// The preemption line P.
    Preemption,
    /// RX overflow line n: bytes from `(n + 1) * line_bytes` of the line image.
    RxOverflow(usize),
    /// TX overflow line n: bytes from `(n + 1) * line_bytes` of the line image.
    TxOverflow(usize),
}

impl LineRole {
    /// The role of line `n` of an RX line image.
    pub const fn rx_image(parity: Parity, n: usize) -> Self {
        match n {
            0 => Self::RxControl(parity),
            _ => Self::RxOverflow(n - 1),
        }
    }

    /// The role of line `n` of a TX line image.
    pub const fn tx_image(parity: Parity, n: usize) -> Self {
        match n {
            0 => Self::TxControl(parity),
            _ => Self::TxOverflow(n - 1),
        }
    }

    /// Whether the line belongs to the RX side of the endpoint.
    pub const fn is_rx(self) -> bool {
        matches!(self, Self::RxControl(_) | Self::RxOverflow(_))
    }

    /// Whether the line belongs to the TX side of the endpoint.
    pub const fn is_tx(self) -> bool {
        matches!(self, Self::TxControl(_) | Self::TxOverflow(_))
    }

    /// Whether it is one of a pair of control lines.
    pub const fn is_control(self) -> bool {
        matches!(self, Self::RxControl(_) | Self::TxControl(_))
    }

    /// Every role of an endpoint with `overflow_lines` overflow lines per direction.
    pub fn all(overflow_lines: usize) -> impl Iterator<Item = Self> {
        let control = Parity::BOTH.map(Self::RxControl).into_iter();
        control
            .chain(Parity::BOTH.map(Self::TxControl))
            .chain([Self::Preemption])
            .chain((0..overflow_lines).map(Self::RxOverflow))
            .chain((0..overflow_lines).map(Self::TxOverflow))
    }
}

impl fmt::Display for LineRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RxControl(parity) => write!(f, "R{}", parity.index()),
            Self::TxControl(parity) => write!(f, "T{}", parity.index()),
            Self::Preemption => write!(f, "P"),
            Self::RxOverflow(n) => write!(f, "RO[{n}]"),
            Self::TxOverflow(n) => write!(f, "TO[{n}]"),
        }
    }
}

/// Why a placement was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// The stride is not a power of two.
    #[error("the stride is {stride_lines} lines, it must be a power of two")]
    Stride {
        /// The refused stride.
        stride_lines: usize,
    },
    /// Two roles share an offset.
    #[error("{first} and {second} both lie at offset {offset}")]
    Clash {
        /// The role placed first.
        first: LineRole,
        /// The role placed second.
        second: LineRole,
        /// The offset of both.
        offset: usize,
    },
    /// A role is placed twice.
    #[error("{role} lies at offset {first} and again at offset {second}")]
    Repeated {
        /// The role.
        role: LineRole,
        /// Where it was placed first.
        first: usize,
        /// Where it was placed again.
        second: usize,
    },
    /// A role lies past the block.
    #[error("{role} lies at offset {offset}, the block ends at {stride_lines}")]
    OutsideBlock {
        /// The role.
        role: LineRole,
        /// Its offset.
        offset: usize,
        /// Lines of the block.
        stride_lines: usize,
    },
    /// The endpoint needs a role that is not placed.
    #[error("{role} has no offset")]
    Missing {
        /// The role.
        role: LineRole,
    },
    /// A role is placed that the endpoint does not have.
    #[error("{role} is placed, but there are only {overflow_lines} overflow lines per direction")]
    Unknown {
        /// The role.
        role: LineRole,
        /// Overflow lines per direction.
        overflow_lines: usize,
    },
    /// All blocks together do not fit the line address.
    #[error(
        "{endpoints} endpoints of {stride_lines} lines need more than {LINE_ADDRESS_BITS} line \
         address bits"
    )]
    Aperture {
        /// Endpoints.
        endpoints: usize,
        /// Lines of each block.
        stride_lines: usize,
    },
}

/// Where the host finds the lines of a card.
pub trait Placement {
    /// Bytes of one line.
    fn line_bytes(&self) -> usize;
    /// Endpoints, the bypass included.
    fn endpoints(&self) -> usize;
    /// Overflow lines per direction.
    fn overflow_lines(&self) -> usize;
    /// Lines of the whole aperture, used or not.
    fn aperture_lines(&self) -> usize;
    /// The address of a line; none when there is no such endpoint or role.
    fn address(&self, endpoint: usize, role: LineRole) -> Option<LineAddress>;

    /// Bytes of the whole aperture.
    fn aperture_bytes(&self) -> usize {
        self.aperture_lines() * self.line_bytes()
    }
}

/// The placement of all lines of the card's endpoints. See the [module text](self).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointLayout {
    line_bytes: usize,
    endpoints: usize,
    overflow_lines: usize,
    stride_lines: usize,
    offsets: BTreeMap<LineRole, usize>,
    roles: Vec<Option<LineRole>>,
}

impl EndpointLayout {
    /// The first layout: R0 R1 T0 T1 P, then from offset 8 the RX and the TX overflow lines.
    pub fn contiguous(config: &NicConfig) -> Self {
        let overflow_lines = config.overflow_lines();
        let stride_lines = (8 + 2 * overflow_lines).next_power_of_two();
        let placement = LineRole::all(overflow_lines).map(|role| {
            let offset = match role {
                LineRole::RxControl(parity) => parity.index(),
                LineRole::TxControl(parity) => 2 + parity.index(),
                LineRole::Preemption => 4,
                LineRole::RxOverflow(n) => 8 + n,
                LineRole::TxOverflow(n) => 8 + overflow_lines + n,
            };
            (role, offset)
        });
        Self::new(config, stride_lines, placement).expect("the contiguous layout is legal")
    }

    /// A layout with the given placement, or the first thing that is wrong with it.
    pub fn new(
        config: &NicConfig,
        stride_lines: usize,
        placement: impl IntoIterator<Item = (LineRole, usize)>,
    ) -> Result<Self, LayoutError> {
        let overflow_lines = config.overflow_lines();
        let endpoints = config.endpoints();
        if !stride_lines.is_power_of_two() {
            return Err(LayoutError::Stride { stride_lines });
        }
        if endpoints * stride_lines > 1 << LINE_ADDRESS_BITS {
            return Err(LayoutError::Aperture {
                endpoints,
                stride_lines,
            });
        }
        let mut offsets = BTreeMap::new();
        let mut roles = vec![None; stride_lines];
        for (role, offset) in placement {
            if let LineRole::RxOverflow(n) | LineRole::TxOverflow(n) = role {
                if n >= overflow_lines {
                    return Err(LayoutError::Unknown {
                        role,
                        overflow_lines,
                    });
                }
            }
            let Some(place) = roles.get_mut(offset) else {
                return Err(LayoutError::OutsideBlock {
                    role,
                    offset,
                    stride_lines,
                });
            };
            if let Some(first) = place.replace(role) {
                return Err(LayoutError::Clash {
                    first,
                    second: role,
                    offset,
                });
            }
            if let Some(first) = offsets.insert(role, offset) {
                return Err(LayoutError::Repeated {
                    role,
                    first,
                    second: offset,
                });
            }
        }
        if let Some(role) = LineRole::all(overflow_lines).find(|role| !offsets.contains_key(role)) {
            return Err(LayoutError::Missing { role });
        }
        Ok(Self {
            line_bytes: config.line_bytes(),
            endpoints,
            overflow_lines,
            stride_lines,
            offsets,
            roles,
        })
    }

    /// Bytes of one line.
    pub fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    /// Endpoints, the bypass included.
    pub fn endpoints(&self) -> usize {
        self.endpoints
    }

    /// Overflow lines per direction.
    pub fn overflow_lines(&self) -> usize {
        self.overflow_lines
    }

    /// Lines of one endpoint's block; a power of two.
    pub fn stride_lines(&self) -> usize {
        self.stride_lines
    }

    /// The line offset of `role` in a block; none when the endpoint has no such overflow line.
    pub fn offset(&self, role: LineRole) -> Option<usize> {
        self.offsets.get(&role).copied()
    }

    /// The role at a line offset of a block, if any.
    pub fn role(&self, offset: usize) -> Option<LineRole> {
        self.roles.get(offset).copied().flatten()
    }

    /// Every role with its offset, in role order.
    pub fn placement(&self) -> impl Iterator<Item = (LineRole, usize)> {
        self.offsets.iter().map(|(&role, &offset)| (role, offset))
    }

    /// Lines of the whole aperture.
    pub fn aperture_lines(&self) -> usize {
        self.endpoints * self.stride_lines
    }

    /// Bytes of the whole aperture.
    pub fn aperture_bytes(&self) -> usize {
        self.aperture_lines() * self.line_bytes
    }

    /// The address of a line; none when there is no such endpoint or role.
    pub fn address(&self, endpoint: usize, role: LineRole) -> Option<LineAddress> {
        let offset = self.offset(role)?;
        (endpoint < self.endpoints)
            .then(|| LineAddress((endpoint * self.stride_lines + offset) as u32))
    }

    /// The byte offset of a line from the start of the aperture.
    pub fn byte_offset(&self, address: LineAddress) -> usize {
        address.0 as usize * self.line_bytes
    }

    /// The endpoint whose block holds `address`; none past the last block.
    pub fn endpoint(&self, address: LineAddress) -> Option<usize> {
        let endpoint = address.0 as usize / self.stride_lines;
        (endpoint < self.endpoints).then_some(endpoint)
    }

    /// The endpoint and role of the line at `address`; none when the line has no role.
    pub fn locate(&self, address: LineAddress) -> Option<(usize, LineRole)> {
        let endpoint = self.endpoint(address)?;
        let role = self.role(address.0 as usize % self.stride_lines)?;
        Some((endpoint, role))
    }
}

impl Placement for EndpointLayout {
    fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    fn endpoints(&self) -> usize {
        self.endpoints
    }

    fn overflow_lines(&self) -> usize {
        self.overflow_lines
    }

    fn aperture_lines(&self) -> usize {
        Self::aperture_lines(self)
    }

    fn address(&self, endpoint: usize, role: LineRole) -> Option<LineAddress> {
        Self::address(self, endpoint, role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contiguous_layout_is_pinned() {
        let layout = EndpointLayout::contiguous(&NicConfig::eci());
        let at = |role| layout.offset(role).unwrap();
        assert_eq!(Parity::BOTH.map(|p| at(LineRole::RxControl(p))), [0, 1]);
        assert_eq!(Parity::BOTH.map(|p| at(LineRole::TxControl(p))), [2, 3]);
        assert_eq!(at(LineRole::Preemption), 4);
        assert_eq!(
            (at(LineRole::RxOverflow(0)), at(LineRole::RxOverflow(11))),
            (8, 19)
        );
        assert_eq!(
            (at(LineRole::TxOverflow(0)), at(LineRole::TxOverflow(11))),
            (20, 31)
        );
        assert_eq!(
            (layout.stride_lines(), layout.aperture_bytes()),
            (32, 5 * 32 * 128)
        );
        assert_eq!(
            layout.address(3, LineRole::TxControl(Parity::One)),
            Some(LineAddress(99))
        );
        assert_eq!(layout.byte_offset(LineAddress(99)), 99 * 128);
    }

    #[test]
    fn addresses_and_roles_are_inverse_for_every_named_configuration() {
        for name in NicConfig::NAMES {
            let config = NicConfig::named(name).unwrap();
            let layout = EndpointLayout::contiguous(&config);
            let mut with_role = 0;
            for line in 0..layout.aperture_lines() as u32 {
                if let Some((endpoint, role)) = layout.locate(LineAddress(line)) {
                    assert_eq!(
                        layout.address(endpoint, role),
                        Some(LineAddress(line)),
                        "{name}"
                    );
                    with_role += 1;
                }
            }
            assert_eq!(
                with_role,
                config.endpoints() * (5 + 2 * config.overflow_lines())
            );
            let end = LineAddress(layout.aperture_lines() as u32);
            assert_eq!((layout.endpoint(end), layout.locate(end)), (None, None));
            assert_eq!(
                layout.address(config.endpoints(), LineRole::Preemption),
                None
            );
        }
    }

    #[test]
    fn refuses_bad_placements_and_names_the_clash() {
        let config = NicConfig::cxl();
        let good: Vec<_> = EndpointLayout::contiguous(&config).placement().collect();
        type Placement = Vec<(LineRole, usize)>;
        let refused = |stride, change: &dyn Fn(&mut Placement)| {
            let mut placement = good.clone();
            change(&mut placement);
            EndpointLayout::new(&config, stride, placement)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused(48, &|_| ()),
            "the stride is 48 lines, it must be a power of two"
        );
        assert_eq!(
            refused(64, &|p| p[1].1 = 0),
            "R0 and R1 both lie at offset 0"
        );
        assert_eq!(
            refused(64, &|p| p.push((LineRole::Preemption, 5))),
            "P lies at offset 4 and again at offset 5"
        );
        assert_eq!(
            refused(64, &|p| p[4].1 = 64),
            "P lies at offset 64, the block ends at 64"
        );
        assert_eq!(refused(64, &|p| p.truncate(28)), "RO[23] has no offset");
        assert_eq!(
            refused(64, &|p| p.push((LineRole::RxOverflow(24), 5))),
            "RO[24] is placed, but there are only 24 overflow lines per direction"
        );
        assert_eq!(
            refused(1 << 22, &|_| ()),
            "5 endpoints of 4194304 lines need more than 24 line address bits"
        );
    }
}
