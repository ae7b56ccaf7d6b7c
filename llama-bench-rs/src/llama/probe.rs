//! The same work over and over on one device, to find what it can do at most.

use std::ptr::NonNull;

use super::{Device, LlamaError, Model, log, model_facts, rpc, sys};
use crate::gguf::TensorType;

/// What a [`Probe`] computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProbeShape {
    /// Type of the matrix.
    pub(crate) data_type: TensorType,
    /// Where the matrix lies: 0 is the device's own memory, others are those in which the CPU backend rearranges weights.
    pub(crate) buffer: u32,
    /// Threads of a CPU; `None` for others.
    pub(crate) n_threads: Option<u32>,
    /// How many times the graph computes it.
    pub(crate) n_nodes: u32,
    /// Values of a row: a multiple of the type's block.
    pub(crate) n_inner: u32,
    /// Rows of the matrix.
    pub(crate) n_rows: u32,
    /// Columns of the other factor, in f32; `None` for a copy of the matrix.
    pub(crate) n_columns: Option<u32>,
}

impl ProbeShape {
    /// Bytes of the matrix.
    pub(crate) fn matrix_bytes(&self) -> u64 {
        let row = u64::from(self.n_inner) / self.data_type.block_elements() * self.data_type.block_bytes();
        row * u64::from(self.n_rows)
    }

    /// Bytes that a device needs for it, about.
    pub(crate) fn memory_bytes(&self) -> u64 {
        match self.n_columns {
            None => 2 * self.matrix_bytes(),
            Some(n_columns) => {
                let n_outputs = u64::from(self.n_rows) * u64::from(self.n_nodes);
                let n_values = u64::from(n_columns) * (u64::from(self.n_inner) + n_outputs);
                self.matrix_bytes() + 4 * n_values
            }
        }
    }

    /// Floating-point operations of one run of the graph.
    pub(crate) fn flops(&self) -> f64 {
        let n_columns = self.n_columns.map_or(0.0, f64::from);
        2.0 * f64::from(self.n_inner) * f64::from(self.n_rows) * n_columns * f64::from(self.n_nodes)
    }

    /// Bytes that one run of the graph reads from the matrices and, of copies, writes.
    pub(crate) fn bytes(&self) -> f64 {
        let times = if self.n_columns.is_some() { 1.0 } else { 2.0 };
        times * self.matrix_bytes() as f64 * f64::from(self.n_nodes)
    }
}

/// A graph of one operation on one device, ready to be computed.
pub(crate) struct Probe(NonNull<sys::llama_sys_probe>);

impl Probe {
    /// Takes the memory and fills it with random data.
    ///
    /// # Errors
    /// The device does not compute this, or has no memory for it.
    pub(crate) fn new(device: Device, shape: ProbeShape) -> Result<Self, LlamaError> {
        let raw = sys::llama_sys_probe_shape {
            type_: shape.data_type.id() as sys::ggml_type,
            buffer: shape.buffer,
            n_threads: shape.n_threads.unwrap_or(0),
            n_nodes: shape.n_nodes,
            n_inner: i64::from(shape.n_inner),
            n_rows: i64::from(shape.n_rows),
            n_columns: shape.n_columns.map_or(0, i64::from),
        };
        // SAFETY: a registered device; what fails gives a null pointer.
        let (raw, log) = log::capture_quietly(|| unsafe { sys::llama_sys_probe_new(device.as_raw(), raw) });
        NonNull::new(raw).map(Self).ok_or_else(|| LlamaError::Unsupported {
            what: format!("measuring {} on {}", shape.data_type, device.name()),
            why: rpc::why(&log),
        })
    }

    /// Computes the graph once, and waits for it.
    ///
    /// # Errors
    /// The device could not.
    pub(crate) fn run(&mut self) -> Result<(), LlamaError> {
        // SAFETY: a live probe that nobody else has.
        let (is_done, log) = log::capture_quietly(|| unsafe { sys::llama_sys_probe_run(self.0.as_ptr()) });
        if is_done {
            return Ok(());
        }
        Err(LlamaError::Unsupported { what: "measuring a device".into(), why: rpc::why(&log) })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // SAFETY: a live probe that nobody else has.
        unsafe { sys::llama_sys_probe_free(self.0.as_ptr()) };
    }
}

/// A tensor of a model: where it is and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlacedTensor {
    pub(crate) name: String,
    pub(crate) data_type: TensorType,
    pub(crate) n_bytes: u64,
    /// The device whose memory holds it.
    pub(crate) device: Device,
}

impl Model {
    /// Its tensors that are in some device's memory, in their order.
    pub(crate) fn placed_tensors(&self) -> Vec<PlacedTensor> {
        let model = self.as_raw();
        let mut found = Vec::new();
        // SAFETY: a live model that nothing changes; the index is checked there.
        while let Some(tensor) = unsafe { model_facts::tensor(model, found.len() as u32) } {
            // SAFETY: as above.
            let device =
                Device::new(unsafe { sys::llama_sys_model_tensor_device(model, found.len() as u32) });
            let data_type = TensorType::from_id(tensor.tensor_type);
            found.push(device.zip(data_type).map(|(device, data_type)| {
                let n_blocks = tensor.n_elements / data_type.block_elements();
                PlacedTensor {
                    name: tensor.name,
                    data_type,
                    n_bytes: n_blocks * data_type.block_bytes(),
                    device,
                }
            }));
        }
        found.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llama::Backend;

    const PRODUCT: ProbeShape = ProbeShape {
        data_type: TensorType::Q4_K,
        buffer: 0,
        n_threads: Some(1),
        n_nodes: 2,
        n_inner: 256,
        n_rows: 64,
        n_columns: Some(8),
    };

    #[test]
    fn bytes_and_operations_are_those_of_the_graph() {
        assert_eq!(PRODUCT.matrix_bytes(), 64 * 144);
        assert_eq!(PRODUCT.flops(), 2.0 * 256.0 * 64.0 * 8.0 * 2.0);
        assert_eq!(PRODUCT.bytes(), 2.0 * 64.0 * 144.0);
        assert_eq!(PRODUCT.memory_bytes(), 64 * 144 + 4 * 8 * (256 + 2 * 64));
        let copy = ProbeShape { n_columns: None, ..PRODUCT };
        assert_eq!(
            (copy.bytes(), copy.flops(), copy.memory_bytes()),
            (4.0 * 64.0 * 144.0, 0.0, 2 * 64 * 144)
        );
    }

    #[test]
    fn the_cpu_computes_products_and_copies_of_each_type_that_it_takes() {
        let cpu = Backend::init().unwrap().device("CPU").unwrap();
        for data_type in
            [TensorType::F32, TensorType::F16, TensorType::Q8_0, TensorType::Q4_K, TensorType::MXFP4]
        {
            for n_columns in [None, Some(1), Some(8)] {
                // Encoded data is moved, not copied by value.
                if n_columns.is_none() && data_type != TensorType::F32 {
                    continue;
                }
                let mut probe = Probe::new(cpu, ProbeShape { data_type, n_columns, ..PRODUCT }).unwrap();
                probe.run().unwrap();
                probe.run().unwrap();
            }
        }
    }

    #[test]
    fn what_no_device_can_do_is_refused_with_the_reason() {
        let cpu = Backend::init().unwrap().device("CPU").unwrap();
        let refused = |shape| Probe::new(cpu, shape).err().unwrap().to_string();
        assert!(
            refused(ProbeShape { n_inner: 100, ..PRODUCT }).contains("not a shape"),
            "rows of whole blocks"
        );
        assert!(refused(ProbeShape { data_type: TensorType::I32, ..PRODUCT }).contains("i32"));
        assert!(refused(ProbeShape { buffer: 99, ..PRODUCT }).contains("no buffer type"));
    }
}
