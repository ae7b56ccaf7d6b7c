//! Waits of single threads, from `/proc/self/task/*/schedstat`, whose files stay open.

use std::{
    collections::HashMap,
    fs::{self, File},
    os::unix::fs::FileExt,
    time::Duration,
};

use super::counts::Thread;

/// The measuring thread and those that may compute for it.
#[derive(Debug, Default)]
pub(super) struct Threads {
    own: Option<(u32, String, File)>,
    others: HashMap<u32, Option<File>>,
}

impl Threads {
    /// Finds the threads of this process with the measuring thread's name: threads inherit the name of their parent. Others
    /// belong to other parts of the program.
    pub(super) fn find(&mut self) {
        let Some((own, name, _)) = &self.own else { return };
        let Ok(tasks) = fs::read_dir("/proc/self/task") else { return };
        let ids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
        let ids: Vec<u32> = ids.filter(|id| id != own).collect();
        self.others.retain(|id, _| ids.contains(id));
        for id in ids {
            self.others.entry(id).or_insert_with(|| {
                let path = format!("/proc/self/task/{id}");
                let named = fs::read_to_string(format!("{path}/comm")).ok()?;
                (named == *name).then(|| File::open(format!("{path}/schedstat")).ok()).flatten()
            });
        }
    }

    /// Takes the calling thread as the measuring one.
    pub(super) fn of_this_thread() -> Self {
        let open = || {
            let id = fs::read_link("/proc/thread-self").ok()?.file_name()?.to_str()?.parse().ok()?;
            let name = fs::read_to_string("/proc/thread-self/comm").ok()?;
            Some((id, name, File::open("/proc/thread-self/schedstat").ok()?))
        };
        Self { own: open(), others: HashMap::new() }
    }

    pub(super) fn own(&self) -> Option<Thread> {
        let (id, _, file) = self.own.as_ref()?;
        read(*id, file)
    }

    pub(super) fn others(&self) -> Vec<Thread> {
        self.others.iter().filter_map(|(id, file)| read(*id, file.as_ref()?)).collect()
    }
}

fn read(id: u32, file: &File) -> Option<Thread> {
    let mut buffer = [0; 80];
    let n = file.read_at(&mut buffer, 0).ok()?;
    parse(id, str::from_utf8(&buffer[..n]).ok()?)
}

/// `RAN WAITED SLICES`, both times in nanoseconds. A kernel that does not count writes zeros.
fn parse(id: u32, text: &str) -> Option<Thread> {
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let mut next = || numbers.next()?.ok();
    let (ran, waited, n_slices) = (next()?, next()?, next()?);
    let time = Duration::from_nanos;
    (n_slices > 0).then_some(Thread { id, ran: time(ran), waited: time(waited) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_is_read_and_zeros_are_unknown() {
        let thread = Thread { id: 7, ran: Duration::from_nanos(12), waited: Duration::from_nanos(34) };
        assert_eq!(parse(7, "12 34 2\n"), Some(thread));
        for text in ["", "0 0 0\n", "12", "12 x 3", "12 34"] {
            assert_eq!(parse(7, text), None, "{text:?}");
        }
    }

    #[test]
    fn a_thread_that_was_started_here_is_found_and_one_of_another_name_is_not() {
        use std::{
            sync::{Arc, Barrier},
            thread,
        };

        let measuring = || {
            let both_run = Arc::new(Barrier::new(3));
            let done = Arc::new(Barrier::new(3));
            let (a, b) = (both_run.clone(), done.clone());
            let wait = move || {
                a.wait();
                b.wait();
            };
            // Without a name of its own a thread has that of the thread that starts it.
            let inherits = thread::spawn(wait.clone());
            let other = thread::Builder::new().name("other".into()).spawn(wait).unwrap();
            both_run.wait();
            let mut threads = Threads::of_this_thread();
            threads.find();
            let n_found = threads.others().len();
            done.wait();
            inherits.join().unwrap();
            other.join().unwrap();
            (threads.own().is_some(), n_found)
        };
        let handle = thread::Builder::new().name("measuring".into()).spawn(measuring).unwrap();
        if let (true, n_found) = handle.join().unwrap() {
            assert_eq!(n_found, 1);
        }
    }
}
