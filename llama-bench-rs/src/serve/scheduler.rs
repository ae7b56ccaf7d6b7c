use std::{collections::VecDeque, time::Duration};

use super::{
    Arrivals, Policy, Prompts, Repetition, RequestRecord, Row, SettingError, StepRecord, Vocabulary,
    Workload,
    arrivals::{Arrival, Coming},
    slots::{Served, Slots, State},
    workload::Tokens,
};
use crate::record::Failure;

/// Decides what a server does next, from the times that it is given. It reads no clock and decodes nothing.
///
/// `drive` is the loop around it:
///
/// | [`next`](Self::next) says | to do | then |
/// |---|---|---|
/// | [`Action::Keep`] | [`Server::keep`](super::Server::keep) | [`kept`](Self::kept) |
/// | [`Action::Decode`] | [`Server::decode`](super::Server::decode) | [`decoded`](Self::decoded) |
/// | [`Action::Wait`] | wait | |
/// | [`Action::Done`] | | [`finish`](Self::finish) |
///
/// All times count from the beginning of the repetition and never go back.
///
/// ```
/// use std::time::Duration;
///
/// use llama_bench_rs::serve::{Action, Arrivals, Policy, Scheduler, Vocabulary, Workload};
///
/// let workload = Workload::default().n_requests(1).prompts("3".parse()?).generations("2".parse()?);
/// let vocabulary = Vocabulary { n_vocab: 100, bos: Some(1) };
/// let mut scheduler = Scheduler::new(Policy::default(), &workload, &Arrivals::users(1), vocabulary)?;
/// let mut now = Duration::ZERO;
/// let mut n_rows = Vec::new();
/// loop {
///     match scheduler.next(now) {
///         Action::Keep { n_tokens, .. } => scheduler.kept(n_tokens),
///         Action::Decode(rows) => {
///             n_rows.push(rows.len());
///             now += Duration::from_millis(10);
///             scheduler.decoded(now);
///         }
///         Action::Wait(until) => now = until,
///         Action::Done => break,
///     }
/// }
/// let repetition = scheduler.finish();
/// assert_eq!(n_rows, [3, 1]); // the prompt, whose step gives the first token; the second token
/// assert_eq!(repetition.requests[0].ttft(), Some(Duration::from_millis(10)));
/// assert_eq!(repetition.requests[0].gaps, [Duration::from_millis(10)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Scheduler {
    policy: Policy,
    n_requests: u32,
    workload: Workload,
    tokens: Tokens,
    coming: Coming,
    /// Records of those that have arrived and wait for a slot, the earliest first.
    waiting: VecDeque<usize>,
    slots: Slots,
    /// In order of arrival.
    records: Vec<RequestRecord>,
    steps: Vec<StepRecord>,
    /// The rows of the step, rebuilt in the same memory.
    rows: Vec<Row>,
    /// The order of prompts in a step, rebuilt in the same memory.
    order: Vec<(usize, usize)>,
    /// What the step holds that was last submitted.
    submitted: StepRecord,
    n_complete: u32,
    n_generated: u64,
    wall: Duration,
    cut_short: Option<Failure>,
}

/// What a server is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Keep the first tokens of a slot, remove the others, and report with [`Scheduler::kept`] how many are left.
    Keep {
        /// The slot.
        slot: u32,
        /// Tokens to keep; 0 empties it.
        n_tokens: u32,
    },
    /// Decode these rows, wait until they are done, and report it with [`Scheduler::decoded`].
    Decode(&'a [Row]),
    /// Nothing to do before this time, when the next request arrives.
    Wait(Duration),
    /// All requests are answered, or the repetition was cut short.
    Done,
}

/// How far a repetition is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// Time since the beginning of the repetition.
    pub now: Duration,
    /// Requests of the workload.
    pub n_requests: u32,
    /// Requests that have arrived.
    pub n_arrived: u32,
    /// Requests that have all of their tokens.
    pub n_complete: u32,
    /// Requests in a slot.
    pub n_running: u32,
    /// Requests that wait for a slot.
    pub n_waiting: u32,
    /// Tokens that users received.
    pub n_generated: u64,
}

/// Rows beyond this many are not made room for in advance.
const MOST_ROWS: u32 = 1 << 16;

/// Times between tokens beyond this many are not made room for in advance: a generation may be endless.
const MOST_GAPS: u32 = 1 << 14;

impl Scheduler {
    /// Before the first request of an empty server.
    ///
    /// # Errors
    /// The policy, the workload or the arrivals make no sense; see their `check`.
    pub fn new(
        policy: Policy,
        workload: &Workload,
        arrivals: &Arrivals,
        vocabulary: Vocabulary,
    ) -> Result<Self, SettingError> {
        policy.check()?;
        workload.check()?;
        arrivals.check()?;
        if vocabulary.n_vocab == 0 {
            return Err(SettingError::NoVocabulary);
        }
        Ok(Self {
            policy,
            n_requests: workload.n_requests,
            workload: workload.clone(),
            tokens: Tokens::new(workload, vocabulary),
            coming: Coming::new(workload, arrivals),
            waiting: VecDeque::new(),
            slots: Slots::new(policy.n_parallel),
            records: Vec::new(),
            steps: Vec::new(),
            rows: Vec::with_capacity(policy.n_batch.min(MOST_ROWS) as usize),
            order: Vec::with_capacity(policy.n_parallel as usize),
            submitted: StepRecord::default(),
            n_complete: 0,
            n_generated: 0,
            wall: Duration::ZERO,
            cut_short: None,
        })
    }

    /// What to do now.
    pub fn next(&mut self, now: Duration) -> Action<'_> {
        if self.cut_short.is_some() {
            return Action::Done;
        }
        while let Some(arrival) = self.coming.due(now) {
            self.arrive(arrival);
        }
        while self.slots.has_free()
            && let Some(record) = self.waiting.pop_front()
        {
            self.admit(record);
        }
        if let Some((slot, n_tokens)) = self.keeping() {
            return Action::Keep { slot: slot as u32, n_tokens };
        }
        self.fill(now);
        if self.rows.is_empty() {
            return self.coming.next_at().map_or(Action::Done, Action::Wait);
        }
        Action::Decode(&self.rows)
    }

    /// The slot of the last [`Action::Keep`] holds this many tokens now.
    pub fn kept(&mut self, n_tokens: u32) {
        let Some((index, most)) = self.keeping() else { return };
        let slot = &mut self.slots.all[index];
        if let State::Keeping(served, _) = slot.state {
            slot.n_held = n_tokens.min(most);
            slot.key = Some(served.key);
            slot.state = State::Prompt(served);
            let record = &mut self.records[served.record];
            record.slot = Some(index as u32);
            record.n_reused = slot.n_held;
        }
    }

    /// The rows of the last [`Action::Decode`] are done.
    pub fn decoded(&mut self, now: Duration) {
        for index in 0..self.slots.all.len() {
            let slot = &mut self.slots.all[index];
            if slot.n_submitted == 0 {
                continue;
            }
            slot.n_held += slot.n_submitted;
            slot.n_submitted = 0;
            let served = match slot.state {
                State::Prompt(served) if slot.n_held == served.n_prompt => {
                    let record = &mut self.records[served.record];
                    record.first_token = Some(now);
                    record.gaps.reserve_exact((served.n_gen - 1).min(MOST_GAPS) as usize);
                    served
                }
                State::Generating(served, last) => {
                    self.records[served.record].gaps.push(now.saturating_sub(last));
                    served
                }
                State::Free | State::Keeping(..) | State::Prompt(_) => continue,
            };
            slot.state = State::Generating(served, now);
            self.n_generated += 1;
            if self.records[served.record].n_generated() == served.n_gen {
                self.complete(index, served, now);
            }
        }
        let elapsed = now.saturating_sub(self.submitted.at);
        self.steps.push(StepRecord { elapsed, ..self.submitted });
        self.rows.clear();
        self.wall = now;
    }

    /// Ends the repetition before its last request: a decode failed, or somebody stopped it. Requests in a slot fail for
    /// this reason; those that waited for one have no failure of their own. Without a request left it does nothing.
    pub fn cut_short(&mut self, now: Duration, failure: &Failure) {
        if self.n_complete == self.n_requests {
            return;
        }
        for slot in &self.slots.all {
            if let Some(served) = slot.served() {
                self.records[served.record].failure = Some(failure.clone());
            }
        }
        self.wall = now;
        self.cut_short.get_or_insert_with(|| failure.clone());
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress {
            now: self.wall,
            n_requests: self.n_requests,
            n_arrived: self.records.len() as u32,
            n_complete: self.n_complete,
            n_running: self.slots.n_running(),
            n_waiting: self.waiting.len() as u32,
            n_generated: self.n_generated,
        }
    }

    /// What was measured.
    pub fn finish(self) -> Repetition {
        Repetition {
            n_requests: self.n_requests,
            requests: self.records,
            steps: self.steps,
            wall: self.wall,
            cut_short: self.cut_short,
        }
    }

    fn arrive(&mut self, Arrival { at, id, user }: Arrival) {
        let request = self.workload.request(id);
        self.waiting.push_back(self.records.len());
        self.records.push(RequestRecord {
            id,
            user,
            n_prompt: request.n_prompt,
            n_gen: request.n_gen,
            arrival: at,
            ..RequestRecord::default()
        });
    }

    fn admit(&mut self, record: usize) {
        let RequestRecord { id, n_prompt, n_gen, .. } = self.records[record];
        let served = Served { record, key: self.tokens.key(id), n_prompt, n_gen };
        self.slots.admit(served, &self.policy, &self.tokens);
    }

    /// The first slot that has to keep tokens, and how many.
    fn keeping(&self) -> Option<(usize, u32)> {
        self.slots.all.iter().enumerate().find_map(|(index, slot)| match slot.state {
            State::Keeping(_, n_tokens) => Some((index, n_tokens)),
            _ => None,
        })
    }

    /// Makes the rows of a step: generations first, then prompts.
    fn fill(&mut self, now: Duration) {
        self.rows.clear();
        self.order.clear();
        for (index, slot) in self.slots.all.iter_mut().enumerate() {
            match slot.state {
                State::Generating(served, _) => {
                    let token = self.tokens.at(served.key, slot.n_held);
                    let slot_number = index as u32;
                    self.rows.push(Row { slot: slot_number, position: slot.n_held, token, logits: true });
                    slot.n_submitted = 1;
                }
                State::Prompt(served) => self.order.push((served.record, index)),
                State::Free | State::Keeping(..) => {}
            }
        }
        let n_gen = self.rows.len() as u32;
        match self.policy.prompts {
            Prompts::Together => {}
            Prompts::ByArrival => self.order.sort_unstable(),
            Prompts::OneAtATime => {
                self.order.sort_unstable();
                self.order.truncate(1);
            }
        }
        let room = (self.policy.n_batch - n_gen).min(self.policy.chunk.unwrap_or(u32::MAX));
        let mut n_prompt = 0;
        for at in 0..self.order.len() {
            let (_, index) = self.order[at];
            n_prompt += self.fill_prompt(index, room - n_prompt, now);
        }
        let (n_running, n_waiting) = (self.slots.n_running(), self.waiting.len() as u32);
        self.submitted =
            StepRecord { at: now, elapsed: Duration::ZERO, n_prompt, n_gen, n_running, n_waiting };
    }

    /// Adds as much of a slot's prompt as there is room for. Returns how much that is.
    fn fill_prompt(&mut self, index: usize, room: u32, now: Duration) -> u32 {
        let slot = &mut self.slots.all[index];
        let State::Prompt(served) = slot.state else { return 0 };
        let n_rows = room.min(served.n_prompt - slot.n_held);
        if n_rows > 0 {
            self.records[served.record].start.get_or_insert(now);
        }
        let tokens = self.tokens;
        self.rows.extend((slot.n_held..slot.n_held + n_rows).map(|position| Row {
            slot: index as u32,
            position,
            token: tokens.at(served.key, position),
            logits: position + 1 == served.n_prompt,
        }));
        slot.n_submitted = n_rows;
        n_rows
    }

    fn complete(&mut self, index: usize, served: Served, now: Duration) {
        let record = &mut self.records[served.record];
        record.end = Some(now);
        let user = record.user;
        self.slots.leave(index);
        self.n_complete += 1;
        self.coming.answered(user, now);
    }
}
