//! What began, was seen or ended within a span, as messages are told by.

use super::*;
use shared::store::{After, Moment, Span};

fn span(moment: Moment, from: u64, to: u64) -> Span {
    Span {
        moment,
        from: at(from),
        to: at(to),
    }
}

async fn add(visit: &Visit, address: &str, start: u64, last_seen: u64, ended_at: Option<u64>) {
    let session = Session {
        id: RecordId::new(""),
        email: address.to_owned(),
        start: at(start),
        start_is_day: false,
        last_seen: at(last_seen),
        end_reason: ended_at.map(|_| EndReason::Logout),
        ended_at: ended_at.map(at),
        active_seconds: None,
        current_page: None,
        pages: Pages::new(),
    };
    visit.store.import(&[session]).await.unwrap();
}

async fn found(visit: &Visit, since: u64, spans: &[Span]) -> Vec<String> {
    let read = async |after: Option<After>| {
        let after = after.as_ref();
        visit.store.within(at(since), spans, after).await.unwrap()
    };
    let local = |email: &str| email.split('@').next().unwrap_or_default().to_owned();
    let all = all_pages(read).await;
    all.iter().map(|one| local(&one.email)).collect()
}

pub(crate) async fn sessions_are_found_by_their_moments_to_the_second(visit: Visit) {
    add(&visit, "a@example.com", 10, 20, Some(30)).await;
    add(&visit, "b@example.com", 11, 40, Some(50)).await;
    add(&visit, "c@example.com", 60, 60, None).await;
    visit.store.end_everything(at(40)).await.unwrap();
    let (start, seen, ended) = (Moment::Start, Moment::LastSeen, Moment::EndedAt);
    let everything = Moment::EverythingEnded;
    for (since, spans, expected) in [
        (0, &[span(start, 10, 11)][..], "a"),
        (0, &[span(start, 10, 12)], "a b"),
        (0, &[span(start, 9, 10)], ""),
        (0, &[span(start, 0, 100)], "ann a b c"),
        (11, &[span(start, 0, 100)], "b c"),
        (0, &[span(seen, 20, 21)], "a"),
        (0, &[span(seen, 21, 40)], ""),
        (0, &[span(ended, 30, 51)], "a b"),
        (0, &[span(ended, 31, 50)], ""),
        (0, &[span(everything, 40, 41)], "everyone"),
        (0, &[span(everything, 41, 99)], ""),
        (
            0,
            &[
                span(ended, 30, 31),
                span(seen, 60, 61),
                span(start, 11, 12),
                span(everything, 0, 41),
            ],
            "a b everyone c",
        ),
        (0, &[], ""),
    ] {
        let found = found(&visit, since, spans).await.join(" ");
        assert_eq!(found, expected, "{since} {spans:?}");
    }
}

pub(crate) async fn many_come_page_by_page(visit: Visit) {
    for second in 1..u64::from(PAGE_SIZE) + 5 {
        add(&visit, "a@example.com", second, second, None).await;
    }
    let all = [
        span(Moment::Start, 1, 1_000),
        span(Moment::LastSeen, 1, 1_000),
    ];
    let read = async |after: Option<After>| {
        let after = after.as_ref();
        visit.store.within(START, &all, after).await.unwrap()
    };
    let found: Vec<_> = all_pages(read).await.iter().map(|one| one.start).collect();
    let expected: Vec<_> = (1..u64::from(PAGE_SIZE) + 5).map(at).collect();
    assert_eq!(found, expected);
}
