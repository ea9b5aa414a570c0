//! The C interface of models: the only unsafe code of this crate.
//!
//! [`Raw`] owns one C++ model and keeps these invariants, on which every `unsafe` below relies:
//! `model` came from `create` of the same `api` and is destroyed once, in `Drop`; the addresses in
//! `ports` point into it, aligned and sized by the width, because table and C++ were generated from
//! the same header; C++ touches a model only inside a call, and every call that writes takes
//! `&mut self`.

use std::ffi::{CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;

use super::{ModelInfo, PortInfo, WaveFormat};

/// `LauberhornModel` of `sim/verilate/cpp/model.h`: opaque, the table of models holds one each.
#[repr(C)]
pub struct Api {
    create: unsafe extern "C" fn(u32, c_int) -> *mut c_void,
    destroy: unsafe extern "C" fn(*mut c_void),
    finish: unsafe extern "C" fn(*mut c_void),
    port: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    eval: unsafe extern "C" fn(*mut c_void, u64) -> u64,
    bind: unsafe extern "C" fn(*mut c_void, c_int),
    fst_open: unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int,
    fst_dump: unsafe extern "C" fn(*mut c_void, u64),
    fst_close: unsafe extern "C" fn(*mut c_void),
    vcd_attach: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
    replay: unsafe extern "C" fn(*mut c_void, *const u8, usize, u64),
}

/// Turns the table that `lauberhorn_verilate` generates into a static `MODELS`. For the crates
/// whose build scripts run it, on no other text: each symbol must be what its C++ defines.
#[macro_export]
macro_rules! models {
    ($($symbol:ident: $name:literal, top $top:literal, trace $trace:ident, [
        $($port:literal $direction:ident $width:literal $clock:literal,)*
    ];)*) => {
        // SAFETY: each symbol is a constant that the build script's C++ defines for its design.
        unsafe extern "C" {
            $(safe static $symbol: $crate::model::Api;)*
        }

        /// All models that were built, in the order of their designs.
        pub static MODELS: &[$crate::model::ModelInfo] = &[$($crate::model::ModelInfo {
            name: $name,
            top: $top,
            waves: $crate::model::WaveFormat::$trace,
            ports: &[$($crate::model::PortInfo {
                name: $port,
                width_bits: $width,
                direction: $crate::model::Direction::$direction,
                clock: $clock,
            },)*],
            api: &$symbol,
        },)*];
    };
}

include!(concat!(env!("OUT_DIR"), "/models.rs"));

// SAFETY: defined by the build script's `runtime.cpp`; the second writes at most `size` bytes to
// `text`.
unsafe extern "C" {
    safe fn lauberhorn_failures() -> u64;
    fn lauberhorn_take_failure(text: *mut c_char, size: usize) -> usize;
}

/// How a port is stored: its C++ type.
#[derive(Clone, Copy)]
enum Storage {
    Byte,
    Half,
    Word,
    Double,
    /// 32-bit words, least significant first.
    Words(usize),
}

#[derive(Clone, Copy)]
struct RawPort {
    address: NonNull<u8>,
    storage: Storage,
}

/// An open waveform file.
enum Wave {
    Fst,
    Vcd(verilated::vcd::Vcd),
}

/// A C++ model and its ports by index.
pub(super) struct Raw {
    api: &'static Api,
    model: NonNull<c_void>,
    ports: Box<[RawPort]>,
    wave: Option<Wave>,
    /// Bytes of one cycle's inputs in the bare loop.
    row_bytes: usize,
    /// The failure count of the process when this model last looked.
    failures: u64,
}

// SAFETY: a Verilated model without `--threads` is plain memory, not tied to a thread; what its
// failures leave on a thread is taken before the call that caused them returns.
unsafe impl Send for Raw {}

impl Raw {
    /// A new model; `random` is Verilator's: 0 zeros, 1 ones, 2 drawn from `seed`.
    pub fn new(info: &ModelInfo, seed: u32, random: c_int) -> Result<Self, String> {
        let api = info.api;
        // SAFETY: no preconditions.
        let model = unsafe { (api.create)(seed, random) };
        let model = NonNull::new(model).ok_or_else(take_failure)?;
        let mut raw = Raw {
            api,
            model,
            ports: Box::default(),
            wave: None,
            row_bytes: info.inputs().map(PortInfo::storage_bytes).sum(),
            failures: 0,
        };
        let ports = info.ports.iter().enumerate().map(|(index, port)| {
            // SAFETY: `model` is live; any index is answered.
            let address = unsafe { (api.port)(model.as_ptr(), index) };
            let storage = match port.width_bits {
                0..=8 => Storage::Byte,
                9..=16 => Storage::Half,
                17..=32 => Storage::Word,
                33..=64 => Storage::Double,
                bits => Storage::Words(bits.div_ceil(32) as usize),
            };
            let address = NonNull::new(address.cast())?;
            Some(RawPort { address, storage })
        });
        raw.ports = ports
            .collect::<Option<_>>()
            .ok_or("the port table is not of this model")?;
        Ok(raw)
    }

    /// Reads a port of up to 64 bits, or the low bits of a wider one.
    #[inline]
    pub fn read(&self, index: usize) -> u64 {
        let RawPort { address, storage } = self.ports[index];
        // SAFETY: invariants of the type: live, aligned, and of the type that `storage` names.
        unsafe {
            match storage {
                Storage::Byte => u64::from(address.read()),
                Storage::Half => u64::from(address.cast::<u16>().read()),
                Storage::Word => u64::from(address.cast::<u32>().read()),
                Storage::Double => address.cast::<u64>().read(),
                Storage::Words(_) => {
                    let words = address.cast::<[u32; 2]>().read();
                    u64::from(words[0]) | u64::from(words[1]) << 32
                }
            }
        }
    }

    /// Writes a port of up to 64 bits; the value fits its width.
    #[inline]
    pub fn write(&mut self, index: usize, value: u64) {
        let RawPort { address, storage } = self.ports[index];
        // SAFETY: as in `read`; `&mut self` excludes every other access.
        unsafe {
            match storage {
                Storage::Byte => address.write(value as u8),
                Storage::Half => address.cast::<u16>().write(value as u16),
                Storage::Word => address.cast::<u32>().write(value as u32),
                Storage::Double => address.cast::<u64>().write(value),
                Storage::Words(_) => unreachable!("wide ports are written by words"),
            }
        }
    }

    /// The 32-bit words of a port of more than 64 bits, none for others.
    #[inline]
    pub fn words(&self, index: usize) -> &[u32] {
        let RawPort { address, storage } = self.ports[index];
        match storage {
            // SAFETY: as in `read`; the borrow of `self` keeps the model and its calls away.
            Storage::Words(count) => unsafe {
                std::slice::from_raw_parts(address.cast().as_ptr(), count)
            },
            _ => &[],
        }
    }

    /// The same, to be written; bits above the width stay zero.
    #[inline]
    pub fn words_mut(&mut self, index: usize) -> &mut [u32] {
        let RawPort { address, storage } = self.ports[index];
        match storage {
            // SAFETY: as in `words`; `&mut self` excludes every other access.
            Storage::Words(count) => unsafe {
                std::slice::from_raw_parts_mut(address.cast().as_ptr(), count)
            },
            _ => &mut [],
        }
    }

    /// Settles the model; false when [`Raw::take_failure`] must be asked.
    #[inline]
    pub fn eval(&mut self, time_ps: u64) -> bool {
        // SAFETY: invariants of the type.
        let failures = unsafe { (self.api.eval)(self.model.as_ptr(), time_ps) };
        failures == self.failures
    }

    /// Runs the bare C++ loop over `inputs`: rows of all inputs but the clock, in port order and
    /// storage size. Afterwards [`Raw::take_failure`] must be asked.
    pub fn replay(&mut self, inputs: &[u8], cycles: u64) {
        let rows = inputs.len().checked_div(self.row_bytes).unwrap_or(1);
        assert!(rows > 0, "a replay needs at least one row of inputs");
        // SAFETY: `rows` whole rows are readable, and C++ reads no further.
        unsafe { (self.api.replay)(self.model.as_ptr(), inputs.as_ptr(), rows, cycles) };
    }

    /// The failure that the last call left on this thread, or an empty text: the count that made
    /// the caller ask is of the whole process, the failure may have been another model's.
    pub fn take_failure(&mut self) -> String {
        self.failures = lauberhorn_failures();
        take_failure()
    }

    /// Runs the `final` blocks.
    pub fn finish(&mut self) {
        // SAFETY: invariants of the type.
        unsafe { (self.api.finish)(self.model.as_ptr()) }
    }

    /// Opens a waveform file in the format that was compiled in; else says why it did not work.
    pub fn wave_open(&mut self, path: &Path, format: WaveFormat) -> Result<(), String> {
        self.wave_close();
        let model = self.model.as_ptr();
        // SAFETY: invariants of the type; the binding ends before this function does.
        unsafe { (self.api.bind)(model, 1) };
        verilated::trace_ever_on(true);
        // SAFETY: the same.
        unsafe { (self.api.bind)(model, 0) };
        self.wave = match format {
            WaveFormat::None => None,
            WaveFormat::Fst => CString::new(path.as_os_str().as_bytes())
                .is_ok_and(|path| {
                    // SAFETY: a live model and a terminated string.
                    unsafe { (self.api.fst_open)(model, path.as_ptr()) != 0 }
                })
                .then_some(Wave::Fst),
            WaveFormat::Vcd => {
                let mut vcd = verilated::vcd::Vcd::default();
                // SAFETY: a live model and a live, unopened VerilatedVcdC. It is closed before
                // the model goes: see `Drop`.
                let attached = unsafe { (self.api.vcd_attach)(model, vcd.0.cast()) != 0 };
                (attached && vcd.open(path).is_ok()).then_some(Wave::Vcd(vcd))
            }
        };
        match self.wave {
            Some(_) => Ok(()),
            None => Err(take_failure()),
        }
    }

    /// Whether a waveform file is open.
    #[inline]
    pub fn wave_is_open(&self) -> bool {
        self.wave.is_some()
    }

    /// Writes the present values; `time_ps` grows from call to call.
    pub fn wave_dump(&mut self, time_ps: u64) {
        match &mut self.wave {
            None => {}
            // SAFETY: invariants of the type.
            Some(Wave::Fst) => unsafe { (self.api.fst_dump)(self.model.as_ptr(), time_ps) },
            Some(Wave::Vcd(vcd)) => vcd.dump(time_ps),
        }
    }

    /// Completes and closes the waveform file, if one is open.
    pub fn wave_close(&mut self) {
        if let Some(Wave::Fst) = self.wave.take() {
            // SAFETY: invariants of the type.
            unsafe { (self.api.fst_close)(self.model.as_ptr()) }
        }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.wave_close();
        // SAFETY: created in `new`, destroyed here only.
        unsafe { (self.api.destroy)(self.model.as_ptr()) }
    }
}

/// The first failure that models of this thread have left, and forgets it.
fn take_failure() -> String {
    let mut text = vec![0u8; 4096];
    // SAFETY: `text` is writable for its length.
    let length = unsafe { lauberhorn_take_failure(text.as_mut_ptr().cast(), text.len()) };
    text.truncate(length);
    String::from_utf8_lossy(&text).into_owned()
}
