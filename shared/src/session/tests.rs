//! Each rule at its boundary, to the second.

use super::*;

mod token;

const LIMITS: Limits = Limits {
    idle_timeout: 1_800,
    lifetime: 86_400,
};
const START: Timestamp = Timestamp::from_unix(1_000_000);

fn at(seconds: u64) -> Timestamp {
    START.plus(seconds)
}

fn token() -> Claims {
    Claims::start(
        "localhost",
        "sid".to_owned(),
        RecordId::new("42"),
        &LIMITS,
        START,
    )
}

fn row() -> Session {
    Session {
        id: RecordId::new("42"),
        email: "ann@example.com".to_owned(),
        start: START,
        start_is_day: false,
        last_seen: START,
        end_reason: None,
        ended_at: None,
        active_seconds: None,
        current_page: None,
        pages: Pages::new(),
    }
}

fn seen(ago: u64) -> Snapshot {
    Snapshot {
        seen_seconds_ago: Some(ago),
        ..Snapshot::default()
    }
}

fn active(seconds: u64) -> Snapshot {
    Snapshot {
        active_seconds: Some(seconds),
        seen_seconds_ago: Some(0),
        ..Snapshot::default()
    }
}

fn heartbeat(token: &Claims, snapshot: &Snapshot, now: Timestamp) -> Heartbeat {
    Heartbeat::new(token, snapshot, now)
}

/// The token after one accepted heartbeat of somebody who is looking at `now`.
fn renewed_at(token: &Claims, now: Timestamp) -> Claims {
    let beat = heartbeat(token, &Snapshot::default(), now);
    let row = Session {
        last_seen: beat.figures.last_seen,
        ..row()
    };
    token.renewed(&beat, &row, &LIMITS, now)
}

#[test]
fn a_session_ends_in_the_very_second_of_its_idle_deadline() {
    assert_eq!(token().ended_at(at(1_799)), None);
    assert_eq!(token().ended_at(at(1_800)), Some(EndReason::Idle));
    assert_eq!(token().ended_at(at(1_801)), Some(EndReason::Idle));
}

#[test]
fn a_heartbeat_moves_the_idle_deadline_and_nothing_moves_the_end() {
    let renewed = renewed_at(&token(), at(1_000));
    assert_eq!(renewed.idle_deadline, at(2_800));
    assert_eq!(renewed.end_deadline, token().end_deadline);
    assert_eq!(renewed.ended_at(at(2_799)), None);
    assert_eq!(renewed.ended_at(at(2_800)), Some(EndReason::Idle));
}

#[test]
fn heartbeats_never_stretch_a_session_past_its_lifetime() {
    let mut token = token();
    for minute in 1..24 * 60 {
        token = renewed_at(&token, at(minute * 60));
    }
    assert_eq!(token.idle_deadline, at(86_400));
    assert_eq!(token.ended_at(at(86_399)), None);
    assert_eq!(token.ended_at(at(86_400)), Some(EndReason::Expired));
}

#[test]
fn the_deadline_that_came_first_is_the_reason() {
    assert_eq!(
        token().ended_at(at(200_000)),
        Some(EndReason::Idle),
        "idle came first, though the lifetime has passed too"
    );
}

#[test]
fn an_idle_time_reported_by_the_browser_shortens_the_deadline() {
    let token = renewed_at(&token(), at(100));
    let beat = heartbeat(&token, &seen(60), at(400));
    assert_eq!(beat.figures.last_seen, at(340));
    assert_eq!(
        token.kept_alive(&beat, &LIMITS).idle_deadline,
        at(340 + 1_800)
    );
}

#[test]
fn looking_without_a_sign_of_life_extends_nothing() {
    let token = renewed_at(&token(), at(100));
    let quiet = Snapshot {
        inactive_seconds: Some(250),
        ..seen(0)
    };
    let beat = heartbeat(&token, &quiet, at(400));
    assert_eq!(beat.figures.last_seen, at(400), "they do look");
    assert_eq!(
        token.kept_alive(&beat, &LIMITS).idle_deadline,
        at(150 + 1_800),
        "the deadline counts from the sign of life"
    );
    let late = Snapshot {
        inactive_seconds: Some(2),
        ..seen(60)
    };
    assert_eq!(
        token
            .kept_alive(&heartbeat(&token, &late, at(400)), &LIMITS)
            .idle_deadline,
        at(398 + 1_800)
    );
}

#[test]
fn a_deadline_never_moves_back() {
    let token = renewed_at(&token(), at(300));
    let beat = heartbeat(&token, &seen(390), at(400));
    assert_eq!(
        token.kept_alive(&beat, &LIMITS).idle_deadline,
        at(300 + 1_800)
    );
}

#[test]
fn last_seen_is_never_before_the_known_one_nor_after_now() {
    let token = renewed_at(&token(), at(300));
    for (ago, last_seen) in [
        (0, 400),
        (1, 399),
        (99, 301),
        (100, 300),
        (101, 300),
        (1_000_000, 300),
    ] {
        assert_eq!(
            heartbeat(&token, &seen(ago), at(400)).figures.last_seen,
            at(last_seen),
            "{ago} seconds ago"
        );
    }
}

#[test]
fn an_empty_body_counts_as_looking_now() {
    let beat = heartbeat(&token(), &Snapshot::default(), at(77));
    assert_eq!(
        beat.figures,
        Figures {
            last_seen: at(77),
            active_seconds: None,
            current_page: None,
            pages: None
        }
    );
    assert!(!beat.is_late);
}

#[test]
fn active_time_never_exceeds_elapsed_time_and_never_goes_back() {
    let written = |token: &Claims, seconds, now| {
        heartbeat(token, &active(seconds), now)
            .figures
            .active_seconds
    };
    assert_eq!(written(&token(), 99, at(100)), Some(99));
    assert_eq!(written(&token(), 100, at(100)), Some(100));
    assert_eq!(written(&token(), 101, at(100)), Some(100));
    let later = Claims {
        active: 50,
        ..token()
    };
    assert_eq!(written(&later, 49, at(100)), Some(50));
}

#[test]
fn the_pages_times_together_never_exceed_the_active_time() {
    let pages = |each: u64| -> Pages {
        let figures = PageFigures {
            seconds: each,
            scroll: 80,
        };
        (0..50).map(|n| (format!("/{n:02}"), figures)).collect()
    };
    let together = |pages: &Pages| pages.values().map(|figures| figures.seconds).sum::<u64>();
    let six = Snapshot {
        pages: pages(6),
        ..active(6)
    };
    let beat = heartbeat(&token(), &six, at(6));
    assert_eq!(together(beat.figures.pages.as_ref().unwrap()), 6);
    // One page after the other does not help, nor saying nothing of the active time.
    let mut row = row();
    for (path, figures) in pages(6) {
        for active_seconds in [Some(6), None] {
            let snapshot = Snapshot {
                active_seconds,
                pages: Pages::from([(path.clone(), figures)]),
                ..seen(0)
            };
            let beat = heartbeat(&token(), &snapshot, at(6));
            let folded = row.fold(&beat);
            let waited = row.with(&beat.figures, None);
            assert_eq!(folded.pages.as_ref(), Some(&waited.pages));
            row = waited;
        }
    }
    assert_eq!((row.active_seconds, together(&row.pages)), (Some(6), 6));
    let ended = row.with(
        &heartbeat(&token(), &six, at(6)).figures,
        Some(Ending {
            reason: EndReason::Revoked,
            at: at(4),
        }),
    );
    assert_eq!((ended.active_seconds, together(&ended.pages)), (Some(4), 4));
}

#[test]
fn a_snapshot_is_late_from_the_sixth_second_on() {
    assert!(!heartbeat(&token(), &seen(5), at(100)).is_late);
    assert!(heartbeat(&token(), &seen(6), at(100)).is_late);
}

#[test]
fn a_snapshot_below_what_is_known_is_late_however_young() {
    let token = Claims {
        seen: at(98),
        active: 50,
        ..token()
    };
    assert!(
        heartbeat(&token, &seen(3), at(100)).is_late,
        "older than the last seen"
    );
    assert!(
        heartbeat(&token, &active(49), at(100)).is_late,
        "less active than known"
    );
    assert!(!heartbeat(&token, &active(50), at(100)).is_late);
}

#[test]
fn after_a_deadline_a_snapshot_counts_up_to_it() {
    let reported = |snapshot: &Snapshot| heartbeat(&token(), snapshot, at(2_000)).figures.last_seen;
    assert_eq!(
        reported(&seen(300)),
        at(1_700),
        "looked before the deadline"
    );
    assert_eq!(
        reported(&seen(100)),
        at(1_800),
        "still looking at the deadline, unheard"
    );
    assert_eq!(
        reported(&Snapshot::default()),
        START,
        "came back later, which says nothing of the time before"
    );
    assert_eq!(
        heartbeat(&token(), &active(1_900), at(2_000))
            .figures
            .active_seconds,
        Some(1_800)
    );
}

#[test]
fn an_outage_keeps_the_visitor_in_but_claims_nothing_written() {
    let kept = token().kept_alive(&heartbeat(&token(), &active(90), at(100)), &LIMITS);
    assert_eq!(
        (kept.idle_deadline, kept.issued_at, kept.seen, kept.active),
        (at(1_900), START, START, 0)
    );
}

#[test]
fn a_renewed_token_carries_what_the_row_holds() {
    let beat = heartbeat(&token(), &active(90), at(100));
    let stored = Session {
        last_seen: at(105),
        active_seconds: Some(95),
        ..row()
    };
    let renewed = token().renewed(&beat, &stored, &LIMITS, at(100));
    assert_eq!(
        (
            renewed.issued_at,
            renewed.seen,
            renewed.active,
            renewed.idle_deadline
        ),
        (at(100), at(105), 95, at(1_900))
    );
}

#[test]
fn folding_keeps_the_largest_figures_in_any_order() {
    let snapshot = |active_seconds, ago, page: &str, seconds, scroll| Snapshot {
        active_seconds: Some(active_seconds),
        seen_seconds_ago: Some(ago),
        page: Some(page.to_owned()),
        pages: Pages::from([(page.to_owned(), PageFigures { seconds, scroll })]),
        ..Snapshot::default()
    };
    let fold = |row: &Session, beat: &Heartbeat| {
        let figures = row.fold(beat);
        Session {
            last_seen: figures.last_seen,
            active_seconds: figures.active_seconds,
            current_page: figures.current_page,
            pages: figures.pages.unwrap_or_else(|| row.pages.clone()),
            ..row.clone()
        }
    };
    let first = heartbeat(&token(), &snapshot(50, 0, "/a", 50, 90), at(100));
    let second = heartbeat(&token(), &snapshot(70, 0, "/b", 20, 10), at(200));
    let forward = fold(&fold(&row(), &first), &second);
    let backward = fold(&fold(&fold(&row(), &second), &first), &second);
    assert_eq!(forward, backward);
    assert_eq!(
        (forward.last_seen, forward.active_seconds),
        (at(200), Some(70))
    );
    assert_eq!(
        forward.current_page.as_deref(),
        Some("/b"),
        "the page of the newest activity"
    );
    assert_eq!(forward.pages.len(), 2);
}

#[test]
fn an_ended_session_is_not_stretched_past_its_end() {
    let beat = heartbeat(&token(), &active(190), at(200));
    let ended = Session {
        last_seen: at(60),
        end_reason: Some(EndReason::Revoked),
        ..row()
    };
    let figures = ended.fold(&beat);
    assert_eq!(
        (figures.last_seen, figures.active_seconds),
        (at(60), Some(60)),
        "the owner typed a word: last seen stays"
    );
    let figures = Session {
        ended_at: Some(at(150)),
        ..ended.clone()
    }
    .fold(&beat);
    assert_eq!(
        (figures.last_seen, figures.active_seconds),
        (at(150), Some(150)),
        "looked until it was ended"
    );
    let figures = Session {
        ended_at: Some(at(30)),
        ..ended
    }
    .fold(&beat);
    assert_eq!(figures.last_seen, at(60), "never back");
}

#[test]
fn ending_all_names_the_true_reason_of_each() {
    let reason = |last_seen: u64, now: u64| {
        Session {
            last_seen: at(last_seen),
            ..row()
        }
        .reason_when_ended_with(EndReason::Logout, &LIMITS, at(now))
    };
    assert_eq!(reason(0, 1_799), EndReason::Logout);
    assert_eq!(reason(0, 1_800), EndReason::Idle);
    assert_eq!(reason(86_000, 86_399), EndReason::Logout);
    assert_eq!(reason(86_000, 86_400), EndReason::Expired);
}

#[test]
fn any_other_word_in_the_table_revokes() {
    for (cell, reason) in [
        ("", None),
        ("  ", None),
        ("logout", Some(EndReason::Logout)),
        (" Idle ", Some(EndReason::Idle)),
        ("expired", Some(EndReason::Expired)),
        ("revoked", Some(EndReason::Revoked)),
        ("bye!", Some(EndReason::Revoked)),
        ("x", Some(EndReason::Revoked)),
    ] {
        assert_eq!(EndReason::from_cell(cell), reason, "{cell:?}");
    }
}

#[test]
fn folding_keeps_the_fifty_most_read_pages_in_any_order() {
    let beat = |range: std::ops::Range<u64>| {
        let page = |n: u64| {
            (
                format!("/{n:03}"),
                PageFigures {
                    seconds: n / 2,
                    scroll: 0,
                },
            )
        };
        let pages = range.map(page).collect();
        let snapshot = Snapshot {
            pages,
            ..active(1_700)
        };
        heartbeat(&token(), &snapshot, at(1_799))
    };
    let fold = |row: &Session, beat: &Heartbeat| Session {
        pages: row.fold(beat).pages.unwrap(),
        ..row.clone()
    };
    let (low, high) = (beat(0..50), beat(40..90));
    let forward = fold(&fold(&row(), &low), &high);
    assert_eq!(forward, fold(&fold(&row(), &high), &low));
    assert_eq!(forward.pages.keys().next().unwrap(), "/040");
    assert_eq!(forward.pages.len(), 50);
}

#[test]
fn everything_that_was_ended_is_told_of_those_that_were_open_then() {
    let last_second = LIMITS.idle_timeout - 1;
    for (moments, expected) in [
        (&[][..], None),
        (&[at(0)], Some(at(0))),
        (&[at(last_second)], Some(at(last_second))),
        // It had just vanished.
        (&[at(last_second + 1)], None),
        (&[START.minus(1)], None),
        // The first that found it open, whatever was ended later.
        (&[at(90_000), at(60), at(30), START.minus(1)], Some(at(30))),
    ] {
        let told = row().told(moments, &LIMITS);
        let reason = expected.map(|_| EndReason::Revoked);
        assert_eq!(
            (told.end_reason, told.ended_at),
            (reason, expected),
            "{moments:?}"
        );
    }
    let logged_out = Session {
        end_reason: Some(EndReason::Logout),
        ended_at: Some(at(20)),
        ..row()
    };
    assert_eq!(logged_out.clone().told(&[at(30)], &LIMITS), logged_out);
}
