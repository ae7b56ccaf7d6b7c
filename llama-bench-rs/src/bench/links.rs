//! The ways to the servers that a model is placed on, measured.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    llama::{Backend, Block, Device, LlamaError, ModelParams},
    record::Link,
    stats::quantile,
};

/// Most round trips that are timed, and for how long.
const ROUND_TRIPS: (usize, Duration) = (200, Duration::from_secs(1));

/// Fewest round trips, however long one takes.
const MIN_ROUND_TRIPS: usize = 10;

/// Round trips before the first that is timed.
const WARM_UP: usize = 3;

/// Bytes of the block, and those that a slow way or a full device gets.
const BLOCKS: [usize; 4] = [64 << 20, 16 << 20, 4 << 20, 1 << 20];

/// The time that a block may take in one direction.
const BLOCK_TIME: Duration = Duration::from_secs(4);

/// Measured once per process: every run of it has the same.
static MEASURED: Mutex<BTreeMap<String, Link>> = Mutex::new(BTreeMap::new());

/// The ways to the servers of the devices that these parameters name, or of all devices if they leave them open. What cannot
/// be measured is left out of its record.
pub(super) fn of_model(backend: &Backend, params: &ModelParams) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    for device in params.gpus(backend) {
        if let Some(server) = device.server()
            && !links.iter().any(|link| link.server == server)
        {
            links.push(once(&server, device));
        }
    }
    links
}

fn once(server: &str, device: Device) -> Link {
    let mut measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
    let measure = || {
        let mut link = Link { server: server.into(), ..Link::default() };
        if let Err(error) = measure(device, &mut link) {
            tracing::warn!("the way to {server} could not be measured: {error}");
        }
        link
    };
    measured.entry(server.into()).or_insert_with(measure).clone()
}

/// Fills in what is measured, as far as it gets.
fn measure(device: Device, link: &mut Link) -> Result<(), LlamaError> {
    let mut small = Block::new(device, BLOCKS[BLOCKS.len() - 1])?;
    let mut data = vec![0; BLOCKS[BLOCKS.len() - 1]];
    for _ in 0..WARM_UP {
        small.read(&mut data[..4])?;
    }
    let began = Instant::now();
    let mut times: Vec<f64> = Vec::with_capacity(ROUND_TRIPS.0);
    while times.len() < MIN_ROUND_TRIPS || times.len() < ROUND_TRIPS.0 && began.elapsed() < ROUND_TRIPS.1 {
        let start = Instant::now();
        small.read(&mut data[..4])?;
        times.push(start.elapsed().as_nanos() as f64);
    }
    times.sort_by(f64::total_cmp);
    let at = |share| quantile(&times, share).map(|ns| ns.round() as u64);
    link.n_round_trips = u32::try_from(times.len()).ok();
    (link.round_trip_p10_ns, link.round_trip_ns, link.round_trip_p90_ns) = (at(0.1), at(0.5), at(0.9));

    // The smallest block says which one ends in time.
    let (send, receive) = there_and_back(&mut small, &mut data)?;
    let slower = send.max(receive);
    let n_small = data.len();
    drop(small);
    let fits = |&&size: &&usize| slower * u32::try_from(size / n_small).unwrap_or(u32::MAX) <= BLOCK_TIME;
    let mut told = (n_small, send, receive);
    for &size in BLOCKS.iter().filter(fits) {
        // A device that has no room for this one may have it for the next.
        if let Ok(mut block) = Block::new(device, size) {
            let mut data = vec![0; size];
            // The first time, both systems have to find the memory.
            if slower * u32::try_from(size / n_small).unwrap_or(u32::MAX) <= BLOCK_TIME / 4 {
                block.write(&data)?;
            }
            let (send, receive) = there_and_back(&mut block, &mut data)?;
            told = (size, send, receive);
            break;
        }
    }
    let (size, send, receive) = told;
    link.block_bytes = Some(size as u64);
    link.send_ns = u64::try_from(send.as_nanos()).ok();
    link.receive_ns = u64::try_from(receive.as_nanos()).ok();
    Ok(())
}

/// The time to write the block until its arrival is confirmed, and the time to read it.
fn there_and_back(block: &mut Block, data: &mut [u8]) -> Result<(Duration, Duration), LlamaError> {
    // Not all zero: whatever lies between might compress.
    for (i, byte) in data.iter_mut().enumerate() {
        *byte = (i as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0];
    }
    let start = Instant::now();
    block.write(data)?;
    block.read(&mut [0; 4])?;
    let send = start.elapsed();
    let start = Instant::now();
    block.read(data)?;
    Ok((send, start.elapsed()))
}
