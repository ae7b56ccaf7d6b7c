//! The values that a flag was given, whatever lists it takes.

use super::{CpuMask, Integers, Numbers, OverrideList, Overrides, TensorSplit, all, all_integers};
use crate::llama::{FlashAttn, KvType, LazyMode, SplitMode};

/// What a flag holds.
pub(super) trait Given {
    type Value: Clone;

    fn given(&self) -> Vec<Self::Value>;
}

/// An item of a flag that takes a list and may be repeated.
pub(super) trait Item {
    type Value: Clone;

    fn values(items: &[Self]) -> Vec<Self::Value>
    where
        Self: Sized;
}

impl<T: Item> Given for Vec<T> {
    type Value = T::Value;

    fn given(&self) -> Vec<T::Value> {
        T::values(self)
    }
}

/// A switch.
impl Given for bool {
    type Value = bool;

    fn given(&self) -> Vec<bool> {
        vec![*self]
    }
}

/// A list; the last value counts.
impl Given for Integers {
    type Value = i32;

    fn given(&self) -> Vec<i32> {
        all_integers(std::slice::from_ref(self))
    }
}

macro_rules! items {
    ($($item:ty => $value:ty: |$items:ident| $values:expr;)+) => { $(impl Item for $item {
        type Value = $value;

        fn values($items: &[Self]) -> Vec<$value> {
            $values
        }
    })+ };
}

items! {
    Numbers => u32: |items| all(items);
    Integers => i32: |items| all_integers(items);
    bool => bool: |items| items.to_vec();
    FlashAttn => FlashAttn: |items| items.to_vec();
    KvType => KvType: |items| items.to_vec();
    SplitMode => SplitMode: |items| items.to_vec();
    LazyMode => LazyMode: |items| items.to_vec();
    CpuMask => Vec<bool>: |items| items.iter().map(|CpuMask(cpus)| cpus.clone()).collect();
    TensorSplit => Vec<f32>: |items| items.iter().map(|TensorSplit(shares)| shares.clone()).collect();
    OverrideList => Overrides: |items| items.iter().flat_map(|OverrideList(lists)| lists.clone()).collect();
}
