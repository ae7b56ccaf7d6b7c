//! What the share of the speed of light says: that a figure cannot be true, or where speed is left.

use crate::{
    record::{Ceiling, Ceilings, CellWork, Light},
    units::total,
};

/// A type is far below another if the other's products are more than so many times faster.
const FAR_ABOVE: f64 = 2.0;

/// A type with a smaller part of the arithmetic is not worth mentioning.
const WORTH_A_WORD: f64 = 0.05;

/// A larger physical batch is worth mentioning if its products are so many times faster.
const FASTER: f64 = 1.15;

/// Whether a cell is surely faster than the ceilings allow: the whole range of its share is above 1. The work was then counted
/// too high, or a ceiling measured too low.
#[doc(hidden)]
pub fn is_impossible(light: &Light) -> bool {
    is_above_light(light.share_bounds.lower())
}

/// The same of the lower end of a share's range.
pub(crate) fn is_above_light(lower: f64) -> bool {
    lower > 1.0
}

/// Whether a ceiling is more than this factor above another, each at the end of its range that speaks against it. The one
/// comparison that advice follows from.
fn is_surely_above(better: &Ceiling, worse: &Ceiling, factor: f64) -> bool {
    !worse.is_disturbed() && better.lower > worse.upper * factor
}

/// A type of products that is computed much more slowly than another.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SlowType {
    /// The device.
    pub device: String,
    /// The type of the model's weights.
    pub data_type: String,
    /// What its products reach, in floating-point operations per second.
    pub per_second: f64,
    /// The type that is computed fastest.
    pub best_type: String,
    /// What that one reaches.
    pub best_per_second: f64,
}

/// The types of this work whose products reach less than half of what those of another type reach on the same device.
#[doc(hidden)]
pub fn slow_types(ceilings: &[Ceilings], work: &CellWork) -> Vec<SlowType> {
    let mut found: Vec<SlowType> = Vec::new();
    for device in &work.devices {
        let Some(own) = ceilings.iter().find(|own| own.device == device.device) else { continue };
        let large = || own.products().filter(|rate| rate.n_columns.is_none());
        // Of attention the type is that of the keys, which it converts.
        // Products in f32 are mostly not of weights.
        let products = device
            .products
            .iter()
            .filter(|product| product.op.starts_with("MUL_MAT") && product.data_type != "f32");
        for product in products {
            let of_type = device
                .products
                .iter()
                .filter(|other| other.data_type == product.data_type && other.op.starts_with("MUL_MAT"));
            let flops = total(of_type.map(|product| product.flops));
            let is_worth_it = flops as f64 >= device.flops() as f64 * WORTH_A_WORD && flops > 0;
            let is_known =
                found.iter().any(|known| known.device == own.device && known.data_type == product.data_type);
            let Some(rate) = own.product(&product.data_type) else { continue };
            let is_far_above = |best: &&Ceiling| {
                let mut all = own.products().filter(|rate| rate.data_type == product.data_type);
                all.all(|rate| is_surely_above(best, rate, FAR_ABOVE))
            };
            let best = large().filter(is_far_above).max_by(|a, b| a.lower.total_cmp(&b.lower));
            if let Some(best) = best.filter(|_| is_worth_it && !is_known) {
                found.push(SlowType {
                    device: own.device.clone(),
                    data_type: product.data_type.clone(),
                    per_second: rate.per_second,
                    best_type: best.data_type.clone(),
                    best_per_second: best.per_second,
                });
            }
        }
    }
    found
}

/// A physical batch whose products are slower than those of a larger one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SmallBatch {
    /// The device.
    pub device: String,
    /// The type of the weights.
    pub data_type: String,
    /// Tokens of the physical batch.
    pub n_ubatch: u32,
    /// What its products reach, in floating-point operations per second.
    pub per_second: f64,
    /// Tokens of the larger one.
    pub n_larger: u32,
    /// What its products reach.
    pub larger_per_second: f64,
}

/// Whether a larger physical batch would make matrix products more than 15 % faster; on the device where it brings most.
#[doc(hidden)]
pub fn small_batch(ceilings: &[Ceilings], n_ubatch: u32) -> Option<SmallBatch> {
    let of_device = |own: &Ceilings| {
        let now = own.products().find(|rate| rate.n_columns == Some(n_ubatch))?;
        let larger = own
            .products()
            .filter(|rate| rate.data_type == now.data_type && rate.n_columns.is_some_and(|n| n > n_ubatch));
        let larger = larger.max_by_key(|rate| rate.n_columns)?;
        if !is_surely_above(larger, now, FASTER) {
            return None;
        }
        Some(SmallBatch {
            device: own.device.clone(),
            data_type: now.data_type.clone(),
            n_ubatch,
            per_second: now.per_second,
            n_larger: larger.n_columns?,
            larger_per_second: larger.per_second,
        })
    };
    let gain = |found: &SmallBatch| found.larger_per_second / found.per_second;
    ceilings.iter().filter_map(of_device).max_by(|a, b| gain(a).total_cmp(&gain(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Ceiling, CeilingKind, DeviceWork, Product};

    fn product(data_type: &str, per_second: f64, n_columns: Option<u32>) -> Ceiling {
        Ceiling {
            kind: CeilingKind::Product,
            data_type: data_type.into(),
            n_columns,
            per_second,
            lower: per_second,
            upper: per_second,
            n: 5,
            ..Ceiling::default()
        }
    }

    fn ceilings(rates: Vec<Ceiling>) -> Vec<Ceilings> {
        vec![Ceilings { device: "GPU".into(), rates, ..Ceilings::default() }]
    }

    fn work(products: &[(&str, &str, u64)]) -> CellWork {
        let of = |&(op, data_type, flops): &(&str, &str, u64)| Product {
            op: op.into(),
            data_type: data_type.into(),
            n: 1,
            flops,
        };
        let products = products.iter().map(of).collect();
        let device = DeviceWork { device: "GPU".into(), products, ..DeviceWork::default() };
        CellWork { n_graphs: 1, devices: vec![device], ..CellWork::default() }
    }

    #[test]
    fn a_type_far_below_another_is_found_if_it_has_some_of_the_work() {
        let own = ceilings(vec![
            product("f16", 100.0, None),
            product("q3_K", 40.0, None),
            product("f32", 10.0, None),
        ]);
        let work = work(&[("MUL_MAT", "q3_K", 900), ("MUL_MAT", "f32", 10), ("FLASH_ATTN_EXT", "f32", 900)]);
        let [slow] = &slow_types(&own, &work)[..] else { panic!("one type") };
        assert_eq!((&slow.data_type[..], &slow.best_type[..]), ("q3_K", "f16"));
        assert_eq!((slow.per_second, slow.best_per_second), (40.0, 100.0));
        let near = ceilings(vec![product("f16", 100.0, None), product("q3_K", 60.0, None)]);
        assert_eq!(slow_types(&near, &work), []);
    }

    /// Ceilings of a busy machine, whose ranges overlap.
    #[test]
    fn ranges_that_overlap_give_no_advice() {
        let from = |lower, rate: Ceiling| Ceiling { lower, ..rate };
        let work = work(&[("MUL_MAT", "q5_0", 900)]);
        let types = |lower| vec![product("q5_0", 151.0, None), from(lower, product("q4_K", 921.0, None))];
        assert_eq!(slow_types(&ceilings(types(42.0)), &work), []);
        assert_eq!(slow_types(&ceilings(types(302.0)), &work), [], "exactly twice");
        assert_eq!(slow_types(&ceilings(types(303.0)), &work).len(), 1);
        // A rate that is high and uncertain does not hide one that is surely high.
        let with_third = |mut rates: Vec<Ceiling>| {
            rates.push(from(10.0, product("bf16", 2000.0, None)));
            ceilings(rates)
        };
        assert_eq!(slow_types(&with_third(types(800.0)), &work)[0].best_type, "q4_K");
        // Nor is a type slow whose products of another shape are fast.
        let mut shapes = types(800.0);
        shapes.push(product("q5_0", 700.0, Some(512)));
        assert_eq!(slow_types(&ceilings(shapes), &work), []);

        let batches = |lower, upper| {
            let now = Ceiling { upper, ..product("f16", 61.0, Some(512)) };
            ceilings(vec![now, from(lower, product("f16", 100.0, Some(2048)))])
        };
        assert_eq!(small_batch(&batches(60.0, 61.0), 512), None);
        assert_eq!(small_batch(&batches(90.0, 80.0), 512), None);
        assert_eq!(small_batch(&batches(90.0, 61.0), 512).unwrap().n_larger, 2048);
    }

    #[test]
    fn what_other_programs_disturbed_is_slow_for_their_sake() {
        let busy = |rate| Ceiling { disturbed: Some(true), ..rate };
        let work = work(&[("MUL_MAT", "q3_K", 900)]);
        let own = |slow| ceilings(vec![product("f16", 100.0, None), slow]);
        assert_eq!(slow_types(&own(busy(product("q3_K", 10.0, None))), &work), []);
        assert_eq!(slow_types(&own(product("q3_K", 10.0, None)), &work).len(), 1);
        let batches = |now| ceilings(vec![now, busy(product("f16", 100.0, Some(512)))]);
        assert_eq!(small_batch(&batches(busy(product("f16", 20.0, Some(128)))), 128), None);
        assert!(
            small_batch(&batches(product("f16", 20.0, Some(128))), 128).is_some(),
            "it reached that much"
        );
    }

    #[test]
    fn a_batch_is_small_if_a_larger_one_is_much_faster() {
        let own = |larger| ceilings(vec![product("f16", 61.0, Some(128)), product("f16", larger, Some(512))]);
        let found = small_batch(&own(100.0), 128).unwrap();
        assert_eq!((found.n_ubatch, found.n_larger, found.larger_per_second), (128, 512, 100.0));
        assert_eq!(small_batch(&own(65.0), 128), None);
        assert_eq!(small_batch(&own(100.0), 256), None, "not measured");
    }
}
