//! What a decode does to a fake target.

use std::time::Duration;

use super::{Call, FakeTarget, Memory, Row, Target as _, Token, Work, failure};
use crate::record::Failure;

impl FakeTarget {
    /// A decode begins: fails or panics on demand, and takes its time.
    pub(super) fn submit(&mut self, work: Work, tokens: &[Token], rows: &[Row]) -> Result<(), Failure> {
        if self.fail_call == Some(self.calls.len()) {
            self.fail_call = None;
            return Err(failure("decode"));
        }
        assert_ne!(self.panic_call, Some(self.calls.len()), "a defect of the target");
        let is_read = matches!(work, Work::Read | Work::Embed);
        let n_batch = self.abilities.whole_prompt.filter(|_| is_read).unwrap_or(self.limits().n_batch);
        assert!(tokens.len() <= n_batch as usize, "a chunk is larger than n_batch");
        self.calls.push(Call {
            work,
            before: self.content.clone(),
            text: self.text.clone(),
            tokens: tokens.to_vec(),
            rows: rows.to_vec(),
            others: self.others.clone(),
        });
        let n = tokens.len() as u32;
        let ramp = self.ramp >> self.calls.len().min(31);
        self.clock.advance(Duration::from_millis(u64::from(n + ramp)));
        let attention = Duration::from_micros(u64::from(n) * self.content.len() as u64);
        self.clock.advance(attention);
        self.tracer.pass(&self.clock, attention, Duration::from_millis(u64::from(n)));
        if n == self.limits().n_batch {
            self.clock.advance(std::mem::take(&mut self.cold_long));
        }
        Ok(())
    }

    pub(super) fn compute(&mut self, work: Work, tokens: &[Token]) -> Result<(), Failure> {
        let n_after = self.content.len() + tokens.len();
        assert!(n_after <= self.n_ctx as usize, "past the end of the context");
        self.submit(work, tokens, &[])?;
        match self.abilities.memory {
            Memory::Nothing(_) => return Ok(()),
            Memory::Encoded { .. } if work != Work::Decode => {
                self.text = tokens.to_vec();
                return Ok(());
            }
            _ => {}
        }
        self.intact.truncate(self.content.len());
        self.content.extend_from_slice(tokens);
        self.intact.extend_from_slice(tokens);
        Ok(())
    }
}
