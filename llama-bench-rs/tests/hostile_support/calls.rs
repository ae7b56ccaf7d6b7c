//! A random sequence of safe calls on one context, compared with what a fresh context computes from the same tokens.

use llama_bench_rs::with;
use std::cell::RefCell;

use llama_bench_rs::llama::{
    Batch, Context, ContextParams, FlashAttn, KvType, LlamaError, Model, Penalties, Pooling, Rope,
    RopeScaling, Sampler, SeqState, StateFlags,
};

use super::{dice::Dice, likeness::likeness_to_fresh, shapes};
use crate::llama_support::{params, tiny_on_devices as tiny};

const N_CTX: u32 = 512;

/// A context and what is known to be in it.
struct Subject {
    model: Model,
    params: ContextParams,
    context: Context,
    /// The tokens of each sequence, `None` once that is no longer known.
    known: Vec<Option<Vec<i32>>>,
    saved: Vec<Saved>,
    dice: Dice,
}

struct Saved {
    state: SeqState,
    seq: i32,
    tokens: Option<Vec<i32>>,
    context: usize,
}

thread_local! {
    static MADE: RefCell<usize> = const { RefCell::new(0) };
}

/// The case of this seed. Panics if a call costs the context, or if a sequence whose tokens are known gives other logits
/// than those tokens do.
pub fn sequence(seed: u64) {
    let mut dice = Dice::new(seed ^ 0x5eed);
    let shapes = shapes();
    let shape = shapes[seed as usize % shapes.len()];
    let flash_attn = [FlashAttn::On, FlashAttn::Off, FlashAttn::Auto][dice.below(3)];
    let kinds = [KvType::F16, KvType::Bf16, KvType::F32, KvType::Q8_0];
    let n_seq_max = 1 + dice.below(4) as u32;
    let params = params(N_CTX)
        .n_ubatch([64, 16, 7][dice.below(3)])
        .n_seq_max(n_seq_max)
        .kv_unified(dice.one_in(2))
        .flash_attn(flash_attn)
        .type_k(kinds[dice.below(4)])
        .type_v(if flash_attn == FlashAttn::On { kinds[dice.below(4)] } else { KvType::F16 })
        .swa_full(dice.one_in(4))
        .embeddings(dice.one_in(8))
        .pooling([None, None, Some(Pooling::None), Some(Pooling::Mean), Some(Pooling::Last)][dice.below(5)])
        .rope(with!(Rope {
            scaling: if dice.one_in(4) {
                Some(*dice.pick(&RopeScaling::ALL.iter().collect::<Vec<_>>()))
            } else {
                None
            },
            freq_scale: if dice.one_in(4) { Some(0.5) } else { None },
            ..Rope::default()
        }));
    let model = tiny(shape);
    let Ok(context) = Context::new(&model, &params) else { return };
    let known = vec![Some(Vec::new()); n_seq_max as usize];
    let mut subject = Subject { model, params, context, known, saved: Vec::new(), dice };
    for _ in 0..5 + subject.dice.below(30) {
        subject.step();
    }
    // What a decoder computes follows from its encoder's text too.
    let model = &subject.model;
    if model.keeps_memory() && model.is_causal() && !model.has_encoder() {
        (0..n_seq_max as i32).for_each(|seq| subject.check(seq, seed));
    }
}

impl Subject {
    fn seq(&mut self) -> i32 {
        self.dice.below(self.known.len()) as i32
    }

    fn step(&mut self) {
        let seq = self.seq();
        let call = self.dice.below(23);
        self.call(call, seq);
        // What a failing case did, for the one who looks into it.
        if std::env::var_os("HOSTILE_TRACE").is_some() {
            let ends: Vec<u32> = (0..self.known.len() as i32).map(|seq| self.end(seq)).collect();
            let known: Vec<_> = self.known.iter().map(|known| known.as_ref().map(Vec::len)).collect();
            eprintln!("call {call} of sequence {seq}: ends {ends:?}, known {known:?}");
        }
    }

    fn call(&mut self, call: usize, seq: i32) {
        match call {
            0..=4 => self.append(seq),
            5 => self.append_implicitly(),
            6 => self.append_to_all(),
            7 | 8 => self.remove_end(seq),
            9 => self.remove_within(seq),
            10 | 11 => {
                let to = self.seq();
                if self.context.memory_seq_copy(seq, to).is_ok() {
                    self.known[to as usize] = self.known[seq as usize].clone();
                } else {
                    self.known.fill(None);
                }
            }
            12 => {
                let data = self.dice.one_in(2);
                self.context.memory_clear(data);
                self.known.fill(Some(Vec::new()));
            }
            13 | 14 => self.save(seq),
            15 | 16 => self.restore(),
            17 => self.restore_elsewhere(seq),
            18 => self.look(),
            20 => self.shift(seq),
            21 => self.copy_part(seq),
            22 => self.choose(),
            19 if self.dice.one_in(2) => self.embed(seq),
            _ if self.dice.one_in(4) => self.start_anew(),
            _ => self.odd_batch(),
        }
    }

    fn tokens(&mut self) -> Vec<i32> {
        let n = [1, 1, 3, 17, 60][self.dice.below(5)];
        (0..n).map(|_| self.dice.below(self.model.n_vocab() as usize) as i32).collect()
    }

    fn end(&self, seq: i32) -> u32 {
        self.context.pos_max(seq).ok().flatten().map_or(0, |last| last + 1)
    }

    fn append(&mut self, seq: i32) {
        let tokens = self.tokens();
        let mut batch = Batch::new();
        let from = self.end(seq);
        for (i, &token) in tokens.iter().enumerate() {
            let logits = self.dice.one_in(5);
            batch.add(token, from + i as u32, &[seq], logits).expect("a small position");
        }
        self.decoded(&batch, &[(seq, tokens)]);
    }

    fn append_implicitly(&mut self) {
        let tokens = self.tokens();
        match self.context.decode_tokens(&tokens) {
            Ok(()) => self.appended(0, &tokens),
            Err(LlamaError::ContextFull { .. }) => {}
            Err(error) => self.failed(&error),
        }
    }

    /// An error may leave a part of a batch behind; only an exception costs the context, and none is due.
    fn failed(&mut self, error: &LlamaError) {
        assert!(!matches!(error, LlamaError::Exception { .. }), "{error}");
        self.known.fill(None);
    }

    fn embed(&mut self, seq: i32) {
        let tokens = self.tokens();
        self.context.set_embeddings(self.dice.one_in(2));
        let mut batch = Batch::new();
        for (i, &token) in tokens.iter().enumerate() {
            let position = if self.dice.one_in(30) { 3 } else { i as u32 };
            batch.add(token, position, &[seq], true).expect("a small position");
        }
        let encoded = if self.dice.one_in(2) {
            self.context.encode(&batch)
        } else {
            self.context.encode_tokens(&tokens)
        };
        if let Err(error) = encoded {
            self.failed(&error);
        }
        let at = self.dice.below(70);
        let _ = self.context.embeddings(at).map(|values| values[0]);
        let _ = self.context.embeddings_seq(seq).map(|values| values[0]);
        // An encode may leave anything in a memory.
        self.known.fill(None);
    }

    fn append_to_all(&mut self) {
        let mut batch = Batch::new();
        let mut parts = Vec::new();
        for seq in 0..self.known.len() as i32 {
            let mut tokens = self.tokens();
            tokens.truncate(16);
            let from = self.end(seq);
            for (i, &token) in tokens.iter().enumerate() {
                batch.add(token, from + i as u32, &[seq], true).expect("a small position");
            }
            parts.push((seq, tokens));
        }
        self.decoded(&batch, &parts);
    }

    fn decoded(&mut self, batch: &Batch, parts: &[(i32, Vec<i32>)]) {
        match self.context.decode(batch) {
            Ok(()) => parts.iter().for_each(|(seq, tokens)| self.appended(*seq, tokens)),
            Err(error) => self.failed(&error),
        }
    }

    fn appended(&mut self, seq: i32, tokens: &[i32]) {
        if let Some(known) = &mut self.known[seq as usize] {
            known.extend(tokens);
        }
    }

    fn remove_end(&mut self, seq: i32) {
        let end = self.end(seq);
        let from = self.dice.below(end as usize + 1) as u32;
        let removed = self.context.memory_seq_rm(seq, from, None);
        self.shortened(seq, from, removed.is_ok_and(|removed| removed));
    }

    /// A window that the removal moved back over what it had forgotten computes something else.
    fn shortened(&mut self, seq: i32, to: u32, removed: bool) {
        if !removed {
            // Refused without a change; or an error.
            if self.end(seq) as usize != self.known[seq as usize].as_ref().map_or(0, Vec::len) {
                self.known[seq as usize] = None;
            }
            return;
        }
        let first = self.context.pos_min(seq).ok().flatten().unwrap_or(0);
        let is_whole = first == 0 || (self.model.n_swa() > 0 && first + self.model.n_swa() <= to);
        match &mut self.known[seq as usize] {
            Some(known) if is_whole => known.truncate(to as usize),
            known => *known = None,
        }
    }

    fn remove_within(&mut self, seq: i32) {
        let end = self.end(seq);
        let (a, b) = (self.dice.below(end as usize + 2) as u32, self.dice.below(end as usize + 2) as u32);
        let _ = self.context.memory_seq_rm(seq, a.min(b), Some(a.max(b)));
        self.known[seq as usize] = None;
    }

    /// Attention computes the same of a sequence wherever it lies; a part of one is another text.
    fn shift(&mut self, seq: i32) {
        let end = self.end(seq) as usize;
        let (from, delta) = (self.dice.below(end + 2) as u32, self.dice.below(40) as i32 - 20);
        let to = if self.dice.one_in(3) { Some(self.dice.below(end + 2) as u32) } else { None };
        let moved = self.context.memory_seq_add(seq, from, to, delta);
        assert!(!matches!(moved, Err(LlamaError::Exception { .. })), "{moved:?}");
        if moved.is_ok() && delta != 0 {
            // Tokens that several sequences share move in all of them.
            self.known.fill(None);
        }
        if self.dice.one_in(4) && self.context.memory_seq_keep(seq).is_ok() {
            let known = self.known[seq as usize].take();
            self.known.fill(Some(Vec::new()));
            self.known[seq as usize] = known;
        }
    }

    fn copy_part(&mut self, seq: i32) {
        let (to, end) = (self.seq(), self.end(seq) as usize);
        let (first, n) = (self.dice.below(end + 2) as u32, self.dice.below(end + 2) as u32);
        match self.context.memory_seq_copy_part(seq, to, first, Some(first + n)) {
            Ok(()) => self.known[to as usize] = None,
            Err(error) => assert!(!matches!(error, LlamaError::Exception { .. }), "{error}"),
        }
    }

    /// From any logits that there are.
    fn choose(&mut self) {
        let bias = self.dice.below(self.model.n_vocab() as usize) as i32;
        let mut sampler = Sampler::chain(&self.model)
            .logit_bias([(bias, f32::NEG_INFINITY)])
            .penalties(with!(Penalties { repeat: 1.5, ..Penalties::default() }))
            .typical(0.9)
            .temperature(0.7)
            .draw(self.dice.below(99) as u32)
            .expect("values in their ranges");
        if let Ok(token) = sampler.sample(&mut self.context, -1) {
            assert!(token != bias && (token as u32) < self.model.n_vocab());
        }
    }

    fn flags(&mut self) -> StateFlags {
        match self.dice.below(6) {
            0 => StateFlags::PARTIAL_ONLY,
            1 => StateFlags::ON_DEVICE,
            2 => StateFlags::ON_DEVICE | StateFlags::PARTIAL_ONLY,
            _ => StateFlags::empty(),
        }
    }

    fn save(&mut self, seq: i32) {
        let flags = self.flags();
        if let Ok(state) = self.context.state_save(seq, flags) {
            let tokens = self.known[seq as usize].clone();
            let context = MADE.with_borrow(|made| *made);
            self.saved.push(Saved { state, seq, tokens, context });
        }
    }

    fn restore(&mut self) {
        if self.saved.is_empty() {
            return;
        }
        let at = self.dice.below(self.saved.len());
        let Saved { state, seq, tokens, context } = &self.saved[at];
        let (seq, tokens, flags) = (*seq, tokens.clone(), state.flags());
        let is_foreign = *context != MADE.with_borrow(|made| *made);
        if seq as usize >= self.known.len() {
            assert!(self.context.state_restore(state).is_err());
            return;
        }
        let before = self.known[seq as usize].clone();
        let restored = self.context.state_restore(state).is_ok();
        assert!(
            !(restored && is_foreign && flags.contains(StateFlags::ON_DEVICE)),
            "it lies on another's device"
        );
        self.known[seq as usize] = if !restored {
            None
        } else if flags.contains(StateFlags::PARTIAL_ONLY) {
            // As the sweep does it: what was there is kept up to the saved state.
            let to = tokens.as_ref().map_or(0, Vec::len) as u32;
            let is_beginning =
                before.is_some_and(|before| tokens.as_ref().is_some_and(|tokens| before.starts_with(tokens)));
            let removed = self.context.memory_seq_rm(seq, to, None).is_ok_and(|removed| removed);
            tokens.filter(|_| is_beginning && removed)
        } else {
            tokens
        };
    }

    fn restore_elsewhere(&mut self, to: i32) {
        if self.saved.is_empty() {
            return;
        }
        let at = self.dice.below(self.saved.len());
        let flags = self.saved[at].state.flags();
        let tokens = self.saved[at].tokens.clone();
        let Some(bytes) = self.saved[at].state.as_bytes().map(<[u8]>::to_vec) else { return };
        let cut = if self.dice.one_in(3) { self.dice.below(bytes.len() + 1) } else { bytes.len() };
        let restored = self.context.state_restore_bytes(&bytes[..cut], to, flags).is_ok();
        let is_whole = restored && cut == bytes.len() && flags.is_empty();
        self.known[to as usize] = if is_whole { tokens } else { None };
    }

    fn look(&mut self) {
        let _ = self.context.synchronize();
        let output = self.dice.below(70) as i32 - 5;
        let _ = self.context.logits(output).map(|logits| logits[0]);
        let _ = (self.context.memory_breakdown(), self.context.n_past(), self.context.flash_attn_resolved());
        let _ = self.context.set_n_threads(self.dice.below(3) as u32, 1);
        let seq = self.dice.below(9) as i32 - 3;
        let _ = (self.context.pos_min(seq), self.context.pos_max(seq));
    }

    fn start_anew(&mut self) {
        let Ok(context) = Context::new(&self.model, &self.params) else { return };
        MADE.with_borrow_mut(|made| *made += 1);
        self.context = context;
        self.known.fill(Some(Vec::new()));
    }

    /// Random positions and sequences.
    fn odd_batch(&mut self) {
        let mut batch = Batch::new();
        for _ in 0..=self.dice.below(8) {
            let position = [0, 1, 5, self.end(0), self.end(0) + 3, 100_000][self.dice.below(6)];
            let n = 1 + self.dice.below(3);
            let sequences: Vec<i32> = (0..n).map(|_| self.dice.below(6) as i32).collect();
            let token =
                self.dice.below(self.model.n_vocab() as usize) as i32 - i32::from(self.dice.one_in(20));
            let logits = self.dice.one_in(2);
            let _ = batch.add(token, position, &sequences, logits);
        }
        if let Err(error) = self.context.decode(&batch) {
            self.failed(&error);
        }
        self.known.fill(None);
    }

    /// The next token's logits after what is known to be there, against those of a fresh context.
    fn check(&mut self, seq: i32, seed: u64) {
        let Some(known) = self.known[seq as usize].clone().filter(|known| !known.is_empty()) else { return };
        assert_eq!(self.end(seq) as usize, known.len(), "case {seed}: tokens of sequence {seq}");
        let mut fresh = Context::new(&self.model, &self.params).expect("a second context");
        let Some(likeness) = likeness_to_fresh(&mut self.context, &mut fresh, seq, &known) else { return };
        let n = known.len();
        assert!(likeness > 0.98, "case {seed}: sequence {seq} of {n} tokens: likeness {likeness}");
    }
}
