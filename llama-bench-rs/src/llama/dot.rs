//! Arithmetic that is compiled the same in every build.

use super::sys;

/// The dot product of what both have, rounded down to a multiple of 32 values, `times` times over.
///
/// It is compiled with the C++ shim, optimised whatever the profile of the Rust build is.
pub(crate) fn dot(a: &[f32], b: &[f32], times: u32) -> f32 {
    let n = a.len().min(b.len());
    // SAFETY: both slices hold n initialised values, and the function reads no more of either.
    unsafe { sys::llama_sys_dot(a.as_ptr(), b.as_ptr(), n, times) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_dot_product_of_whole_blocks() {
        let a: Vec<f32> = (0..70).map(|i| i as f32).collect();
        let b = vec![2.0; 90];
        // 64 of the 70: twice the sum of 0 to 63.
        assert_eq!(dot(&a, &b, 1), 64.0 * 63.0);
        assert_eq!(dot(&a, &b, 3), 3.0 * 64.0 * 63.0);
        assert_eq!((dot(&a, &b, 0), dot(&a[..31], &b, 1), dot(&[], &[], 5)), (0.0, 0.0, 0.0));
    }
}
