//! Figures by page: how two reports of one session become one, and how much of them is kept.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// More pages than a person reads in one visit; a row stays readable and small.
const MAX_PAGES: usize = 50;
/// All of a row's pages as JSON, in bytes: a thousand rows are then an answer that can be read.
const MAX_BYTES: usize = 8_000;

/// Time and furthest scroll on one page, cumulative for the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFigures {
    /// Active seconds on this page.
    #[serde(default)]
    pub seconds: u64,
    /// Furthest scroll in per cent, 0 to 100.
    #[serde(default)]
    pub scroll: u8,
}

/// Figures by page path.
pub type Pages = BTreeMap<String, PageFigures>;

/// The larger figures of each page, as far as there is room.
pub(super) fn larger_of_each(stored: &Pages, reported: &Pages) -> Pages {
    let mut pages = stored.clone();
    for (path, figures) in reported {
        let known = pages.entry(path.clone()).or_default();
        known.seconds = known.seconds.max(figures.seconds);
        known.scroll = known.scroll.max(figures.scroll);
    }
    bounded(pages)
}

/// Those with the most time, at most [`MAX_PAGES`] and [`MAX_BYTES`]: which ones stay does not depend
/// on the order in which snapshots arrive, since figures only grow.
#[must_use]
pub(crate) fn bounded(pages: Pages) -> Pages {
    let mut by_time: Vec<_> = pages.into_iter().collect();
    // Pages of one time stay in the order of their paths.
    by_time.sort_by_key(|(_, figures)| Reverse(figures.seconds));
    by_time.truncate(MAX_PAGES);
    let mut bytes = "{}".len();
    by_time
        .into_iter()
        .take_while(|page| {
            bytes += bytes_of(page);
            bytes <= MAX_BYTES
        })
        .collect()
}

/// What a page adds to the JSON, with the colon and a comma.
fn bytes_of((path, figures): &(String, PageFigures)) -> usize {
    // Text and numbers: there is nothing in them that JSON lacks.
    let json = |value: serde_json::Result<String>| value.unwrap_or_default().len();
    json(serde_json::to_string(path)) + json(serde_json::to_string(figures)) + 2
}

/// The pages with at most so many seconds together. Where they have more, the longest are cut to one
/// common length; what does not divide goes second by second to the first of them by path.
///
/// For one number of seconds the result depends neither on the order of the reports that were merged
/// nor on how often they were cut in between. Where the active time has grown meanwhile, what was cut
/// before it grew comes back with the next report: figures are cumulative.
#[must_use]
pub(super) fn within(mut pages: Pages, most: u64) -> Pages {
    let mut times: Vec<u64> = pages.values().map(|figures| figures.seconds).collect();
    times.sort_unstable();
    let mut left = most;
    let longer = (1..=times.len() as u64).rev();
    let Some((_, count)) = times.into_iter().zip(longer).find(|(time, count)| {
        let fits = time.saturating_mul(*count) <= left;
        left -= if fits { *time } else { 0 };
        !fits
    }) else {
        return pages;
    };
    let (length, mut rest) = (left / count, left % count);
    for figures in pages.values_mut() {
        if figures.seconds > length {
            figures.seconds = length + rest.min(1);
            rest = rest.saturating_sub(1);
        }
    }
    pages
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn pages(of: &[(&str, u64)]) -> Pages {
        let page = |(path, seconds): &(&str, u64)| {
            let figures = PageFigures {
                seconds: *seconds,
                scroll: 0,
            };
            ((*path).to_owned(), figures)
        };
        of.iter().map(page).collect()
    }

    #[test]
    fn the_longest_pages_are_cut_to_one_length() {
        for (given, most, expected) in [
            (&[][..], 0, &[][..]),
            (&[("/a", 6)], 6, &[("/a", 6)]),
            (&[("/a", 300)], 6, &[("/a", 6)]),
            (&[("/a", 2), ("/b", 4)], 6, &[("/a", 2), ("/b", 4)]),
            (&[("/a", 2), ("/b", 5)], 6, &[("/a", 2), ("/b", 4)]),
            (
                &[("/a", 6), ("/b", 6), ("/c", 1)],
                6,
                &[("/a", 3), ("/b", 2), ("/c", 1)],
            ),
            (
                &[("/a", 9), ("/b", 9), ("/c", 9)],
                2,
                &[("/a", 1), ("/b", 1), ("/c", 0)],
            ),
            (
                &[("/a", u64::MAX), ("/b", u64::MAX)],
                5,
                &[("/a", 3), ("/b", 2)],
            ),
            (&[("/a", 9)], 0, &[("/a", 0)]),
        ] {
            assert_eq!(
                within(pages(given), most),
                pages(expected),
                "{given:?} {most}"
            );
        }
    }

    #[test]
    fn the_most_read_pages_are_kept_as_far_as_there_is_room() {
        let long = |n: u64| format!("/{n:03}{}", "\u{e9}".repeat(148));
        let many: Pages = (0..60)
            .map(|n| {
                (
                    long(n),
                    PageFigures {
                        seconds: n,
                        scroll: 0,
                    },
                )
            })
            .collect();
        let kept = bounded(many);
        let bytes = serde_json::to_string(&kept).unwrap().len();
        assert!((MAX_BYTES - 400..=MAX_BYTES).contains(&bytes), "{bytes}");
        let first = kept.first_key_value().unwrap().0;
        assert_eq!(
            *first,
            long(60 - kept.len() as u64),
            "those with the most time"
        );
        // Quotation marks take two bytes.
        let quoted: Pages = (0..50)
            .map(|n| (format!("/{n}{}", "\"".repeat(200)), PageFigures::default()))
            .collect();
        assert!(serde_json::to_string(&bounded(quoted)).unwrap().len() <= MAX_BYTES);
        let short: Pages = (0..60)
            .map(|n| (format!("/{n}"), PageFigures::default()))
            .collect();
        assert_eq!(bounded(short).len(), MAX_PAGES);
    }

    fn reports() -> impl Strategy<Value = Vec<Pages>> {
        let figures =
            (0..50_u64, 0..=100_u8).prop_map(|(seconds, scroll)| PageFigures { seconds, scroll });
        vec(btree_map("/[a-e]", figures, 0..5), 1..6)
    }

    proptest! {
        #[test]
        fn the_order_of_reports_and_cuts_in_between_change_nothing(
            reports in reports().prop_shuffle(), most in 0..120_u64, repeated in any::<proptest::sample::Index>(),
        ) {
            let at_once = reports.iter().fold(Pages::new(), |all, one| larger_of_each(&all, one));
            let expected = within(at_once, most);
            let again = std::iter::once(repeated.get(&reports));
            let one_by_one = reports.iter().rev().chain(again).fold(Pages::new(), |all, one| {
                within(larger_of_each(&all, &within(one.clone(), most)), most)
            });
            prop_assert_eq!(&one_by_one, &expected);
            let together: u64 = expected.values().map(|figures| figures.seconds).sum();
            prop_assert!(together <= most);
            let reported: u64 = reports.iter().fold(Pages::new(), |all, one| larger_of_each(&all, one))
                .values().map(|figures| figures.seconds).sum();
            prop_assert_eq!(together, reported.min(most), "no more is cut than has to be");
        }
    }
}
