//! What the share of the speed of light says: that a figure cannot be true, or where speed is left.

use crate::{
    record::{Ceilings, CellWork, Light},
    units::total,
};

/// A type is far below another if its products are slower than this share of the other's.
const FAR_BELOW: f64 = 0.5;

/// A type with a smaller part of the arithmetic is not worth mentioning.
const WORTH_A_WORD: f64 = 0.05;

/// A larger physical batch is worth mentioning if its products are so many times faster.
const FASTER: f64 = 1.15;

/// Whether a cell is surely faster than the ceilings allow: the whole range of its share is above 1. The work was then counted
/// too high, or a ceiling measured too low.
#[doc(hidden)]
pub fn is_impossible(light: &Light) -> bool {
    light.share_bounds.lower() > 1.0
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
        let large = own.products().filter(|rate| rate.n_columns.is_none());
        let Some(best) = large.max_by(|a, b| a.per_second.total_cmp(&b.per_second)) else { continue };
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
            if is_worth_it && !is_known && rate.per_second < best.per_second * FAR_BELOW {
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
        let found = SmallBatch {
            device: own.device.clone(),
            data_type: now.data_type.clone(),
            n_ubatch,
            per_second: now.per_second,
            n_larger: larger.n_columns?,
            larger_per_second: larger.per_second,
        };
        (found.larger_per_second > found.per_second * FASTER).then_some(found)
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

    #[test]
    fn a_batch_is_small_if_a_larger_one_is_much_faster() {
        let own = |larger| ceilings(vec![product("f16", 61.0, Some(128)), product("f16", larger, Some(512))]);
        let found = small_batch(&own(100.0), 128).unwrap();
        assert_eq!((found.n_ubatch, found.n_larger, found.larger_per_second), (128, 512, 100.0));
        assert_eq!(small_batch(&own(65.0), 128), None);
        assert_eq!(small_batch(&own(100.0), 256), None, "not measured");
    }
}
