//! Every combination of the values of several parameters.

/// Items that differ in some parameters: every combination of the values of each axis.
///
/// The first axis varies slowest. Combinations that come to the same item are kept once.
///
/// ```
/// use llama_bench_rs::{bench::Grid, llama::{ContextParams, FlashAttn}};
///
/// let contexts = Grid::new(ContextParams::default())
///     .axis([512, 1024, 2048], ContextParams::n_ubatch)
///     .axis([FlashAttn::Off, FlashAttn::On], ContextParams::flash_attn);
/// assert_eq!(contexts.items().len(), 6);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a grid does nothing by itself"]
pub struct Grid<T> {
    items: Vec<T>,
}

impl<T: Clone + PartialEq> Grid<T> {
    /// One item, without an axis.
    pub fn new(item: T) -> Self {
        Self { items: vec![item] }
    }

    /// Each of these items once, in their order.
    pub fn of(items: impl IntoIterator<Item = T>) -> Self {
        let mut kept: Vec<T> = Vec::new();
        for item in items {
            if !kept.contains(&item) {
                kept.push(item);
            }
        }
        Self { items: kept }
    }

    /// Every item so far with each of these values. Without any value, the items stay as they are.
    pub fn axis<V: Clone>(self, values: impl IntoIterator<Item = V>, set: impl Fn(T, V) -> T) -> Self {
        let values: Vec<V> = values.into_iter().collect();
        if values.is_empty() {
            return self;
        }
        let with_each =
            |item: T| values.iter().map(|value| set(item.clone(), value.clone())).collect::<Vec<_>>();
        Self::of(self.items.into_iter().flat_map(with_each))
    }

    /// The items, the first axis varying slowest.
    pub fn items(&self) -> &[T] {
        &self.items
    }
}

impl<T> IntoIterator for Grid<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_axis_varies_slowest_and_equal_items_are_kept_once() {
        let pair = Grid::new((0, 0)).axis([1, 2], |(_, b), a| (a, b)).axis([3, 4], |(a, _), b| (a, b));
        assert_eq!(pair.items(), [(1, 3), (1, 4), (2, 3), (2, 4)]);
        let capped = Grid::new(0).axis([512, 1024, 2048], |_, n: u32| n.min(1000));
        assert_eq!(capped.into_iter().collect::<Vec<_>>(), [512, 1000]);
        assert_eq!(Grid::of([3, 1, 3, 2, 1]).items(), [3, 1, 2]);
        assert_eq!(Grid::new(7).axis(Vec::<u32>::new(), |_, n| n).items(), [7]);
    }
}
