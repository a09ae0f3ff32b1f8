//! The middle of some figures.

/// The middle one; of an even number of them the mean of the two middle ones, rounded down.
/// Nothing where there are none.
#[must_use]
pub fn median(figures: &mut [u64]) -> Option<u64> {
    let middle = figures.len() / 2;
    if figures.is_empty() {
        return None;
    }
    let is_even = figures.len().is_multiple_of(2);
    let (below, &mut upper, _) = figures.select_nth_unstable(middle);
    if !is_even {
        return Some(upper);
    }
    below.iter().max().map(|lower| lower.midpoint(upper))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::median;

    #[test]
    fn an_even_number_has_two_middle_ones() {
        for (figures, expected) in [
            (&mut [][..], None),
            (&mut [7], Some(7)),
            (&mut [9, 1], Some(5)),
            (&mut [2, 1], Some(1)),
            (&mut [5, 1, 9], Some(5)),
            (&mut [4, 1, 9, 2], Some(3)),
            (&mut [u64::MAX, u64::MAX], Some(u64::MAX)),
        ] {
            assert_eq!(median(figures), expected, "{figures:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_what_sorting_finds(mut figures in prop::collection::vec(0_u64..1_000, 1..40)) {
            let mut sorted = figures.clone();
            sorted.sort_unstable();
            let middle = sorted.len() / 2;
            let expected = if sorted.len() % 2 == 1 {
                sorted[middle]
            } else {
                u64::midpoint(sorted[middle - 1], sorted[middle])
            };
            prop_assert_eq!(median(&mut figures), Some(expected));
        }
    }
}
