//! The loop of llama-server, written from its source (`server_context::update_slots` and `get_available_slot`) and sharing
//! nothing with the library's scheduler: what serve_check and its test compare that with. Users ask again as soon as they
//! have an answer. Tokens are given instead of sampled; HTTP, templates and checkpoints are left out.

use std::{collections::VecDeque, time::Duration};

use llama_bench_rs::llama::Token;

/// What a user sends, and what is "sampled" for it.
pub struct Task {
    pub prompt: Vec<Token>,
    pub sampled: Vec<Token>,
}

/// One token of a batch: slot, position, token, whether logits are wanted.
pub type BatchToken = (u32, u32, Token, bool);

/// What decodes the batches.
pub trait Decoder {
    type Error;

    /// Removes the positions from this one on (`llama_memory_seq_rm`).
    fn remove(&mut self, slot: u32, from: u32) -> Result<(), Self::Error>;

    /// Decodes a batch and waits.
    fn decode(&mut self, batch: &[BatchToken]) -> Result<(), Self::Error>;

    /// Time since the beginning.
    fn now(&self) -> Duration;
}

/// When a task's tokens came.
#[derive(Clone, Debug, Default)]
pub struct Times {
    pub asked: Duration,
    pub tokens: Vec<Duration>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Idle,
    Started,
    ProcessingPrompt,
    DonePrompt,
    Generating,
}

struct Slot {
    state: State,
    task: usize,
    /// Tokens in the memory.
    cache: Vec<Token>,
    i_batch: Option<usize>,
    t_last_used: Option<u64>,
}

/// The server's parameters (`-np`, `-b`, `--cache-prompt`).
#[derive(Clone, Copy)]
pub struct Server {
    pub n_parallel: usize,
    pub n_batch: usize,
    pub cache_prompt: bool,
}

const SLOT_PROMPT_SIMILARITY: f32 = 0.1;

/// Serves all tasks to this many users, in the order of the list.
pub fn serve<D: Decoder>(
    server: Server,
    users: usize,
    tasks: &[Task],
    decoder: &mut D,
) -> Result<Vec<Times>, D::Error> {
    let slot = || Slot { state: State::Idle, task: 0, cache: vec![], i_batch: None, t_last_used: None };
    let mut slots: Vec<Slot> = (0..server.n_parallel).map(|_| slot()).collect();
    let mut times = vec![Times::default(); tasks.len()];
    let mut queue: VecDeque<usize> = (0..users.min(tasks.len())).collect();
    let mut n_asked = queue.len();
    let mut n_released = 0;
    loop {
        while let Some(&task) = queue.front()
            && let Some(id) = available_slot(&slots, &tasks[task])
        {
            queue.pop_front();
            (slots[id].state, slots[id].task) = (State::Started, task);
        }
        if slots.iter().all(|slot| slot.state == State::Idle) {
            return Ok(times);
        }
        let batch = fill(server, &mut slots, tasks, &times, decoder)?;
        decoder.decode(&batch)?;
        let now = decoder.now();
        for slot in &mut slots {
            if slot.i_batch.take().is_none() {
                continue;
            }
            slot.state = State::Generating;
            times[slot.task].tokens.push(now);
            if times[slot.task].tokens.len() == tasks[slot.task].sampled.len() {
                // Released: its user asks again.
                (slot.state, slot.t_last_used) = (State::Idle, Some(n_released));
                n_released += 1;
                if n_asked < tasks.len() {
                    times[n_asked].asked = now;
                    queue.push_back(n_asked);
                    n_asked += 1;
                }
            }
        }
    }
}

/// `update_slots` up to the decode.
fn fill<D: Decoder>(
    server: Server,
    slots: &mut [Slot],
    tasks: &[Task],
    times: &[Times],
    decoder: &mut D,
) -> Result<Vec<BatchToken>, D::Error> {
    let mut batch: Vec<BatchToken> = Vec::new();
    for (id, slot) in slots.iter_mut().enumerate().filter(|(_, slot)| slot.state == State::Generating) {
        let sampled = tasks[slot.task].sampled[times[slot.task].tokens.len() - 1];
        slot.i_batch = Some(batch.len());
        batch.push((id as u32, slot.cache.len() as u32, sampled, true));
        slot.cache.push(sampled);
    }
    for (id, slot) in slots.iter_mut().enumerate() {
        if !matches!(slot.state, State::Started | State::ProcessingPrompt) {
            continue;
        }
        let prompt = &tasks[slot.task].prompt;
        if slot.state == State::Started {
            slot.state = State::ProcessingPrompt;
            let common = if server.cache_prompt { common_prefix(&slot.cache, prompt) } else { 0 };
            // "need to evaluate at least 1 token to generate logits"
            let n_past = common.min(prompt.len() - 1);
            slot.cache.truncate(n_past);
            decoder.remove(id as u32, n_past as u32)?;
        }
        while slot.cache.len() < prompt.len() && batch.len() < server.n_batch {
            let position = slot.cache.len();
            batch.push((id as u32, position as u32, prompt[position], false));
            slot.cache.push(prompt[position]);
        }
        if slot.cache.len() == prompt.len() {
            slot.state = State::DonePrompt;
            slot.i_batch = Some(batch.len() - 1);
            if let Some(last) = batch.last_mut() {
                last.3 = true;
            }
        }
        if batch.len() >= server.n_batch {
            break;
        }
    }
    Ok(batch)
}

/// `get_available_slot`: the most similar one, else the least recently used.
fn available_slot(slots: &[Slot], task: &Task) -> Option<usize> {
    let (mut found, mut sim_best) = (None, 0.0);
    for (id, slot) in slots.iter().enumerate().filter(|(_, slot)| slot.state == State::Idle) {
        let sim = common_prefix(&slot.cache, &task.prompt) as f32 / task.prompt.len() as f32;
        if sim > sim_best && sim > SLOT_PROMPT_SIMILARITY {
            (found, sim_best) = (Some(id), sim);
        }
    }
    if found.is_none() {
        let mut t_last = None;
        for (id, slot) in slots.iter().enumerate().filter(|(_, slot)| slot.state == State::Idle) {
            if found.is_none() || slot.t_last_used <= t_last {
                (found, t_last) = (Some(id), slot.t_last_used);
            }
        }
    }
    found
}

fn common_prefix(a: &[Token], b: &[Token]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
