use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use super::{Action, Progress, Repetition, Scheduler, Server};
use crate::{
    bench::{Cancel, clock::Clock},
    record::{Failure, FailureKind},
};

/// The longest wait for a request before a cancellation is noticed.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// Serves all requests of a scheduler, and informs the observer after each step.
///
/// A failed decode, a panic of the server and a cancelled run end the repetition: [`Repetition::cut_short`] says why, and
/// what was measured until then is in it.
pub fn drive<S: Server, C: Clock>(
    mut scheduler: Scheduler,
    server: &mut S,
    clock: &C,
    cancel: &Cancel,
    observer: &mut dyn FnMut(&Progress),
) -> Repetition {
    let begin = clock.now();
    let elapsed = || clock.now().saturating_sub(begin);
    loop {
        if cancel.is_cancelled() {
            let failure = Failure::new(FailureKind::Cancelled, "cancelled before the last request");
            scheduler.cut_short(elapsed(), &failure);
        }
        let done = match scheduler.next(elapsed()) {
            Action::Decode(rows) => guarded(|| server.decode(rows)).map(|()| {
                scheduler.decoded(elapsed());
                observer(&scheduler.progress());
            }),
            Action::Keep { slot, n_tokens } => {
                guarded(|| server.keep(slot, n_tokens)).map(|n_kept| scheduler.kept(n_kept))
            }
            Action::Wait(until) => {
                clock.wait(until.saturating_sub(elapsed()).min(LONGEST_WAIT));
                Ok(())
            }
            Action::Done => return scheduler.finish(),
        };
        if let Err(failure) = done {
            scheduler.cut_short(elapsed(), &failure);
        }
    }
}

/// A panic of the server as its failure.
fn guarded<T>(call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|panic| Err(Failure::of_panic("the server", panic.as_ref())))
}
