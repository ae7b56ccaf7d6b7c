use std::{
    cell::Cell,
    io::{self, Cursor, Read, Seek, SeekFrom},
};

use super::*;
use crate::{
    gguf::{Shape, Synthetic},
    llama::{Backend, ModelParams, model_arguments::Arguments, origin::Origin},
};

/// What a source does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Gives at most so many bytes at once.
    Short(usize),
    PanicInRead(usize),
    PanicInSeek(usize),
    ErrorInRead(usize),
    InterruptedOnce,
    /// Ends this many bytes before what it says is its end.
    EndsEarly(u64),
}

/// The bytes of a tiny model, with a fault.
struct Faulty {
    bytes: Cursor<Vec<u8>>,
    fault: Fault,
    n_reads: Cell<usize>,
    n_seeks: usize,
}

impl Read for Faulty {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.n_reads.replace(self.n_reads.get() + 1);
        match self.fault {
            Fault::Short(most) => {
                let most = most.min(buffer.len());
                self.bytes.read(&mut buffer[..most])
            }
            Fault::PanicInRead(at) if at == n => panic!("read {n}"),
            Fault::ErrorInRead(at) if at == n => Err(io::Error::other("no more luck")),
            Fault::InterruptedOnce if n == 1 => Err(io::ErrorKind::Interrupted.into()),
            Fault::EndsEarly(missing) => {
                let end = self.bytes.get_ref().len() as u64 - missing;
                let left = end.saturating_sub(self.bytes.position()).min(buffer.len() as u64);
                self.bytes.read(&mut buffer[..left as usize])
            }
            _ => self.bytes.read(buffer),
        }
    }
}

impl Seek for Faulty {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.n_seeks += 1;
        assert!(self.fault != Fault::PanicInSeek(self.n_seeks), "seek {}", self.n_seeks);
        self.bytes.seek(to)
    }
}

fn load_with(fault: Fault) -> (Outcome, Faulty) {
    let stream = Synthetic::new(Shape::preset("tiny-llama").unwrap()).stream().unwrap();
    let mut bytes = Vec::new();
    stream.reader().read_to_end(&mut bytes).unwrap();
    let mut source = Faulty { bytes: Cursor::new(bytes), fault, n_reads: Cell::new(0), n_seeks: 0 };
    let params = ModelParams::default().no_devices(true);
    let backend = Backend::init().unwrap();
    let arguments = Arguments::new(&backend, &Origin::Stream(stream), &params).unwrap();
    // SAFETY: what the parameters point to lives in `arguments`.
    let outcome = unsafe { load(&mut source, arguments.raw(&params)) };
    (outcome, source)
}

fn free(outcome: &Outcome) {
    // SAFETY: a model that was just loaded and that nobody else has.
    unsafe { sys::llama_model_free(outcome.model) };
}

#[test]
fn whatever_the_size_of_a_read_the_model_is_loaded() {
    if ModelParams::default().needs_file().is_some() {
        println!("SKIPPED: this system has no streams");
        return;
    }
    for fault in [Fault::None, Fault::Short(1 << 12), Fault::Short(37), Fault::InterruptedOnce] {
        let (outcome, source) = load_with(fault);
        assert!(!outcome.model.is_null() && outcome.panic.is_none() && outcome.error.is_none());
        free(&outcome);
        let n_bytes = source.bytes.get_ref().len();
        let most = match fault {
            Fault::Short(n) => 2 * n_bytes / n,
            // Each of the 40 tensors is sought, and the buffer filled again.
            _ => 2 * n_bytes / BUFFER_BYTES + 200,
        };
        assert!(source.n_reads.get() < most, "{} reads of {n_bytes} bytes", source.n_reads.get());
    }
}

#[test]
fn a_panic_of_the_source_ends_the_load_and_does_not_unwind_into_c() {
    if ModelParams::default().needs_file().is_some() {
        println!("SKIPPED: this system has no streams");
        return;
    }
    let n_reads = load_count(|source| source.n_reads.get());
    let n_seeks = load_count(|source| source.n_seeks);
    let reads = [0, 1, n_reads / 2, n_reads - 1].map(Fault::PanicInRead);
    let seeks = [1, 2, n_seeks / 2, n_seeks - 1].map(Fault::PanicInSeek);
    for fault in reads.into_iter().chain(seeks) {
        let (outcome, source) = load_with(fault);
        let panic = outcome.panic.expect("the panic is kept");
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.starts_with("read ") || text.starts_with("seek "), "{text}");
        // It is not asked again.
        match fault {
            Fault::PanicInRead(at) => assert_eq!(source.n_reads.get(), at + 1),
            Fault::PanicInSeek(at) => assert_eq!(source.n_seeks, at),
            _ => {}
        }
        assert!(outcome.model.is_null(), "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    if ModelParams::default().needs_file().is_some() {
        println!("SKIPPED: this system has no streams");
        return;
    }
    let n_reads = load_count(|source| source.n_reads.get());
    for at in [0, 1, n_reads / 2, n_reads - 1] {
        let (outcome, _) = load_with(Fault::ErrorInRead(at));
        assert!(outcome.model.is_null());
        assert_eq!(outcome.error.unwrap().to_string(), "no more luck");
    }
    for missing in [1, 100_000] {
        let (outcome, _) = load_with(Fault::EndsEarly(missing));
        assert!(outcome.model.is_null() && outcome.panic.is_none(), "{missing}");
    }
}

fn load_count(of: impl Fn(&Faulty) -> usize) -> usize {
    let (outcome, source) = load_with(Fault::None);
    free(&outcome);
    of(&source)
}
