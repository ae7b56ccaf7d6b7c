//! Graphs that a server has computed last, which decodes may ask for again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::{Device, Model, log, sys};

/// Contexts of this process on each device of another machine, by the device's address.
static IN_USE: Mutex<BTreeMap<usize, (Device, usize)>> = Mutex::new(BTreeMap::new());

/// The devices of other machines that a context computes on.
#[derive(Default)]
pub(super) struct Remote(Vec<Device>);

impl Remote {
    /// Those of a context of this model.
    pub(super) fn of(model: &Model) -> Self {
        let remote: Vec<Device> =
            model.devices().into_iter().filter(|device| device.server().is_some()).collect();
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        for &device in &remote {
            in_use.entry(device.as_raw() as usize).or_insert((device, 0)).1 += 1;
        }
        Self(remote)
    }

    /// Whether there are any.
    pub(super) fn is_any(&self) -> bool {
        !self.0.is_empty()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if self.0.is_empty() {
            return;
        }
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        for device in &self.0 {
            let key = device.as_raw() as usize;
            let is_last = in_use.get_mut(&key).is_some_and(|(_, n)| {
                *n = n.saturating_sub(1);
                *n == 0
            });
            if is_last {
                in_use.remove(&key);
            }
        }
    }
}

/// To be called after buffers were freed that may lie on a server: it has forgotten its last graph with them, and a context
/// that is still there must send its graph again. Without contexts on servers nothing is done.
pub(super) fn after_free() {
    let in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    for (device, _) in in_use.values() {
        // SAFETY: a registered device. If its server is gone, the next decode finds that out.
        log::capture_quietly(|| unsafe { sys::llama_sys_rpc_forget_graph(device.as_raw()) });
    }
}
