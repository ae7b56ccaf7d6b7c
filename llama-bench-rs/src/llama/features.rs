//! What backends were compiled with.

use std::{collections::BTreeMap, ffi::c_void, mem};

use super::{Backend, at_exit, device::text, sys};

impl Backend {
    /// What each registered backend was compiled with, by its name, as llama.cpp says it: for `CPU` its instruction
    /// sets, such as `AVX2` = `1`; for `CUDA` its architectures. Backends that do not say are left out.
    #[doc(alias = "ggml_backend_get_features")]
    #[doc(alias = "llama_print_system_info")]
    pub fn features(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let _inside = at_exit::enter();
        // SAFETY: the registry is initialised, lives as long as `_inside`, and only grows during `init`; indices are
        // below the count, and names live as long as the registry.
        unsafe {
            (0..sys::ggml_backend_reg_count())
                .map(|i| sys::ggml_backend_reg_get(i))
                .filter_map(|reg| Some((text(sys::ggml_backend_reg_name(reg)), of_backend(reg)?)))
                .collect()
        }
    }
}

/// # Safety
/// `reg` is an entry of the registry, which lives as long as the call.
unsafe fn of_backend(reg: sys::ggml_backend_reg_t) -> Option<BTreeMap<String, String>> {
    // SAFETY: ggml declares the function of this name with this type; a backend without it gives a null pointer, which
    // is `None`. The list that it returns is static and ends with an entry without a name.
    unsafe {
        let get = sys::ggml_backend_reg_get_proc_address(reg, c"ggml_backend_get_features".as_ptr());
        let get = mem::transmute::<*mut c_void, sys::ggml_backend_get_features_t>(get)?;
        let mut features = BTreeMap::new();
        let mut next = get(reg);
        while !next.is_null() && !(*next).name.is_null() {
            features.insert(text((*next).name), text((*next).value));
            next = next.add(1);
        }
        Some(features)
    }
}
