//! # The card behind its bus
//! Wiring only: card and adapter, for emission and synthesis. Simulation runs the two apart, coupled at the
//! line port, which is the same as all outputs of an adapter are registered.

use super::Nic;
use crate::design::Design;
use crate::host::Shape;
use crate::host::adapter::cxl::CxlAdapter;
use crate::host::adapter::cxl::types::{
    CxlCompletion, CxlData, CxlRequest, CxlSnoop, CxlSnoopResponse, CxlWrite,
};
use crate::host::adapter::eci::EciAdapter;
use crate::host::adapter::pcie::PcieAdapter;
use crate::host::adapter::types::{
    AxiAddress, AxiReadData, AxiWriteData, AxiWriteResponse, EciMessage,
};
use crate::types::{
    Beat, CsrRequest, FlowIn, FlowOut, LineFill, LineLoad, LineRecall, LineRecallAck,
    LineWriteback, MacBeat, StreamIn, StreamOut,
};
use lauberhorn_coherence::EndpointLayout;
use lauberhorn_interface::NicConfig;
use rust_hdl::prelude::*;

/// Buses that there is an adapter for, with the bytes of their lines.
pub const BUSES: [(&str, usize); 3] = [("eci", 128), ("cxl", 64), ("pcie", 64)];

/// Declares a top: the card, the adapter and the adapter's bus side.
macro_rules! top {
    ($(#[$doc:meta])* $name:ident, $adapter:ident, {
        $($port:ident: $bundle:ty = $initial:expr),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(LogicBlock)]
        pub struct $name<const E: usize> {
            /// Core clock.
            pub clock: Signal<In, Clock>,
            /// Synchronous reset.
            pub reset: Signal<In, Bit>,
            /// Frames from the wire.
            pub mac_rx: FlowIn<MacBeat>,
            /// Frames to the wire.
            pub mac_tx: StreamOut<Beat>,
            /// Register accesses.
            pub csr_request: StreamIn<CsrRequest>,
            /// Their results.
            pub csr_response: FlowOut<Bits<32>>,
            $(
                /// Bus side; see the adapter.
                pub $port: $bundle,
            )*
            nic: Nic<E>,
            adapter: $adapter,
        }

        impl<const E: usize> $name<E> {
            /// A card of this configuration, which has `E` endpoints, behind its adapter.
            pub fn new(config: &NicConfig) -> Self {
                let shape = Shape::new(config, &EndpointLayout::contiguous(config));
                Self {
                    clock: Signal::default(),
                    reset: Signal::default(),
                    mac_rx: FlowIn::default(),
                    mac_tx: StreamOut::default(),
                    csr_request: StreamIn::default(),
                    csr_response: FlowOut::default(),
                    $($port: $initial,)*
                    nic: Nic::new(config),
                    adapter: $adapter::new(&shape),
                }
            }
        }
    };
}

top!(
    /// The card behind Enzian's directory controller.
    NicEci, EciAdapter, {
        ar: Vec<StreamIn<AxiAddress>> = vec![StreamIn::default(); 2],
        r: Vec<StreamOut<AxiReadData>> = vec![StreamOut::default(); 2],
        aw: Vec<StreamIn<AxiAddress>> = vec![StreamIn::default(); 2],
        w: Vec<StreamIn<AxiWriteData>> = vec![StreamIn::default(); 2],
        b: Vec<StreamOut<AxiWriteResponse>> = vec![StreamOut::default(); 2],
        lci: Vec<StreamOut<EciMessage>> = vec![StreamOut::default(); 2],
        lcia: Vec<StreamIn<EciMessage>> = vec![StreamIn::default(); 2],
        ul: Vec<StreamOut<EciMessage>> = vec![StreamOut::default(); 2],
    }
);

top!(
    /// The card as a CXL.mem device.
    NicCxl, CxlAdapter, {
        req: StreamIn<CxlRequest> = StreamIn::default(),
        rwd: StreamIn<CxlWrite> = StreamIn::default(),
        birsp: StreamIn<CxlSnoopResponse> = StreamIn::default(),
        ndr: StreamOut<CxlCompletion> = StreamOut::default(),
        drs: StreamOut<CxlData> = StreamOut::default(),
        bisnp: StreamOut<CxlSnoop> = StreamOut::default(),
    }
);

top!(
    /// The card behind a PCIe bridge.
    NicPcie, PcieAdapter, {
        ar: Vec<StreamIn<AxiAddress>> = vec![StreamIn::default(); 1],
        r: Vec<StreamOut<AxiReadData>> = vec![StreamOut::default(); 1],
        aw: Vec<StreamIn<AxiAddress>> = vec![StreamIn::default(); 1],
        w: Vec<StreamIn<AxiWriteData>> = vec![StreamIn::default(); 1],
        b: Vec<StreamOut<AxiWriteResponse>> = vec![StreamOut::default(); 1],
    }
);

impl<const E: usize> Logic for NicEci<E> {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, nic, adapter);
        self.nic.reset.next = self.reset.val();
        self.adapter.reset.next = self.reset.val();
        FlowIn::<MacBeat>::link(&mut self.mac_rx, &mut self.nic.mac_rx);
        StreamOut::<Beat>::link(&mut self.mac_tx, &mut self.nic.mac_tx);
        StreamIn::<CsrRequest>::link(&mut self.csr_request, &mut self.nic.csr_request);
        FlowOut::<Bits<32>>::link(&mut self.csr_response, &mut self.nic.csr_response);
        StreamOut::<LineLoad>::join(&mut self.adapter.load, &mut self.nic.load);
        StreamOut::<LineFill>::join(&mut self.nic.fill, &mut self.adapter.fill);
        StreamOut::<LineWriteback>::join(&mut self.adapter.writeback, &mut self.nic.writeback);
        StreamOut::<LineRecall>::join(&mut self.nic.recall, &mut self.adapter.recall);
        StreamOut::<LineRecallAck>::join(&mut self.adapter.recall_ack, &mut self.nic.recall_ack);
        for i in 0..2 {
            StreamIn::<AxiAddress>::link(&mut self.ar[i], &mut self.adapter.ar[i]);
            StreamOut::<AxiReadData>::link(&mut self.r[i], &mut self.adapter.r[i]);
            StreamIn::<AxiAddress>::link(&mut self.aw[i], &mut self.adapter.aw[i]);
            StreamIn::<AxiWriteData>::link(&mut self.w[i], &mut self.adapter.w[i]);
            StreamOut::<AxiWriteResponse>::link(&mut self.b[i], &mut self.adapter.b[i]);
            StreamOut::<EciMessage>::link(&mut self.lci[i], &mut self.adapter.lci[i]);
            StreamIn::<EciMessage>::link(&mut self.lcia[i], &mut self.adapter.lcia[i]);
            StreamOut::<EciMessage>::link(&mut self.ul[i], &mut self.adapter.ul[i]);
        }
        self.nic.bus_events.next = self.adapter.events.val();
    }
}

impl<const E: usize> Logic for NicCxl<E> {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, nic, adapter);
        self.nic.reset.next = self.reset.val();
        self.adapter.reset.next = self.reset.val();
        FlowIn::<MacBeat>::link(&mut self.mac_rx, &mut self.nic.mac_rx);
        StreamOut::<Beat>::link(&mut self.mac_tx, &mut self.nic.mac_tx);
        StreamIn::<CsrRequest>::link(&mut self.csr_request, &mut self.nic.csr_request);
        FlowOut::<Bits<32>>::link(&mut self.csr_response, &mut self.nic.csr_response);
        StreamOut::<LineLoad>::join(&mut self.adapter.load, &mut self.nic.load);
        StreamOut::<LineFill>::join(&mut self.nic.fill, &mut self.adapter.fill);
        StreamOut::<LineWriteback>::join(&mut self.adapter.writeback, &mut self.nic.writeback);
        StreamOut::<LineRecall>::join(&mut self.nic.recall, &mut self.adapter.recall);
        StreamOut::<LineRecallAck>::join(&mut self.adapter.recall_ack, &mut self.nic.recall_ack);
        StreamIn::<CxlRequest>::link(&mut self.req, &mut self.adapter.req);
        StreamIn::<CxlWrite>::link(&mut self.rwd, &mut self.adapter.rwd);
        StreamIn::<CxlSnoopResponse>::link(&mut self.birsp, &mut self.adapter.birsp);
        StreamOut::<CxlCompletion>::link(&mut self.ndr, &mut self.adapter.ndr);
        StreamOut::<CxlData>::link(&mut self.drs, &mut self.adapter.drs);
        StreamOut::<CxlSnoop>::link(&mut self.bisnp, &mut self.adapter.bisnp);
        self.nic.bus_events.next = self.adapter.events.val();
    }
}

impl<const E: usize> Logic for NicPcie<E> {
    #[hdl_gen]
    fn update(&mut self) {
        clock!(self, clock, nic, adapter);
        self.nic.reset.next = self.reset.val();
        self.adapter.reset.next = self.reset.val();
        FlowIn::<MacBeat>::link(&mut self.mac_rx, &mut self.nic.mac_rx);
        StreamOut::<Beat>::link(&mut self.mac_tx, &mut self.nic.mac_tx);
        StreamIn::<CsrRequest>::link(&mut self.csr_request, &mut self.nic.csr_request);
        FlowOut::<Bits<32>>::link(&mut self.csr_response, &mut self.nic.csr_response);
        StreamOut::<LineLoad>::join(&mut self.adapter.load, &mut self.nic.load);
        StreamOut::<LineFill>::join(&mut self.nic.fill, &mut self.adapter.fill);
        StreamOut::<LineWriteback>::join(&mut self.adapter.writeback, &mut self.nic.writeback);
        StreamOut::<LineRecall>::join(&mut self.nic.recall, &mut self.adapter.recall);
        StreamOut::<LineRecallAck>::join(&mut self.adapter.recall_ack, &mut self.nic.recall_ack);
        for i in 0..1 {
            StreamIn::<AxiAddress>::link(&mut self.ar[i], &mut self.adapter.ar[i]);
            StreamOut::<AxiReadData>::link(&mut self.r[i], &mut self.adapter.r[i]);
            StreamIn::<AxiAddress>::link(&mut self.aw[i], &mut self.adapter.aw[i]);
            StreamIn::<AxiWriteData>::link(&mut self.w[i], &mut self.adapter.w[i]);
            StreamOut::<AxiWriteResponse>::link(&mut self.b[i], &mut self.adapter.b[i]);
        }
        self.nic.bus_events.next = self.adapter.events.val();
    }
}

/// The emitted card of a configuration behind the adapter to a bus; `None` when there is no such bus.
///
/// # Panics
/// When the bus has lines of another size, see [`BUSES`].
pub fn on_bus_design(bus: &str, name: &str, config: &NicConfig) -> Option<Design> {
    let name = format!("nic_{}_on_{bus}", name.replace('-', "_"));
    macro_rules! with_endpoints {
        ($($endpoints:literal)+) => {
            match (bus, config.endpoints()) {
                $(
                    ("eci", $endpoints) => Design::composite(&name, NicEci::<$endpoints>::new(config)),
                    ("cxl", $endpoints) => Design::composite(&name, NicCxl::<$endpoints>::new(config)),
                    ("pcie", $endpoints) => Design::composite(&name, NicPcie::<$endpoints>::new(config)),
                )+
                _ => return None,
            }
        };
    }
    Some(with_endpoints!(2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17))
}

/// Each bus with the configuration of its lines.
pub fn tops() -> Vec<Design> {
    [("eci", "eci"), ("cxl", "cxl"), ("pcie", "cxl")]
        .into_iter()
        .filter_map(|(bus, name)| {
            let config = NicConfig::named(name).expect("its own names are known");
            on_bus_design(bus, name, &config)
        })
        .collect()
}
