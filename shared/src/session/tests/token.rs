//! Which row is a token's, and what an outage, an answer and the limits of today make of it.

use super::*;

#[test]
fn an_outage_extends_a_session_for_four_hours_and_no_longer() {
    let limits = Limits {
        idle_timeout: 3_600,
        ..LIMITS
    };
    let mut token = Claims {
        issued_at: at(100),
        ..Claims::start(
            "localhost",
            "sid".to_owned(),
            RecordId::new("42"),
            &limits,
            START,
        )
    };
    for minute in 0..230 {
        let now = at(100 + minute * 60);
        let beat = heartbeat(&token, &Snapshot::default(), now);
        assert_eq!(token.ended_at(now), None, "minute {minute}");
        token = token.kept_alive(&beat, &limits);
        assert_eq!(token, token.queued(&beat, None, &limits));
    }
    assert_eq!(
        (token.issued_at, token.idle_deadline),
        (at(100), at(14_500))
    );
    // What the store granted before is not taken back.
    let long = Limits {
        idle_timeout: 20_000,
        ..LIMITS
    };
    let beat = heartbeat(&token, &Snapshot::default(), at(200));
    let renewed = token.renewed(&beat, &row(), &long, at(200));
    assert_eq!(renewed.idle_deadline, at(20_200));
    assert_eq!(renewed.kept_alive(&beat, &long).idle_deadline, at(20_200));
    let known = token.queued(&beat, Some(at(190)), &long);
    assert_eq!(
        (known.issued_at, known.idle_deadline),
        (at(190), at(20_200))
    );
}

#[test]
fn an_answer_of_the_store_moves_when_it_confirmed_and_silence_when_it_was_asked() {
    let asked = token().asked_in_vain(at(100));
    assert_eq!(
        asked,
        Claims {
            asked: Some(at(100)),
            ..token()
        }
    );
    assert_eq!(
        asked.confirmed(at(200)),
        Claims {
            issued_at: at(200),
            ..token()
        }
    );
    let beat = heartbeat(&asked, &Snapshot::default(), at(200));
    assert_eq!(asked.kept_alive(&beat, &LIMITS).asked, Some(at(100)));
    assert_eq!(asked.renewed(&beat, &row(), &LIMITS, at(200)).asked, None);
    assert_eq!(asked.queued(&beat, Some(at(150)), &LIMITS).asked, None);
}

#[test]
fn a_token_is_fresh_for_its_seconds_and_not_one_more() {
    for asked in [None, Some(START.minus(50)), Some(START)] {
        let token = Claims { asked, ..token() };
        assert!(token.is_fresh(at(59), 60));
        assert!(!token.is_fresh(at(60), 60));
        assert!(
            token.is_fresh(START.minus(59), 60),
            "another machine's clock runs ahead"
        );
        assert!(!token.is_fresh(START.minus(60), 60), "or was hours ahead");
    }
    let asked = token().asked_in_vain(at(1_000));
    assert!(asked.is_fresh(at(1_059), 60) && !asked.is_fresh(at(1_060), 60));
}

#[test]
fn a_session_ends_at_the_lifetime_of_today_where_that_was_shortened() {
    let token = renewed_at(&token(), at(1_000));
    let today = Limits {
        lifetime: 2_000,
        ..LIMITS
    };
    let in_force = token.clone().in_force(&today, at(1_999)).unwrap();
    assert_eq!(
        (in_force.idle_deadline, in_force.end_deadline),
        (at(2_000), at(2_000))
    );
    assert_eq!(in_force.ended_at(at(1_999)), None);
    assert_eq!(in_force.ended_at(at(2_000)), Some(EndReason::Expired));
    let pages = Pages::from([(
        "/a".to_owned(),
        PageFigures {
            seconds: 900,
            scroll: 1,
        },
    )]);
    let snapshot = Snapshot {
        pages,
        ..active(900)
    };
    let beat = heartbeat(&in_force, &snapshot, at(1_500));
    assert_eq!(beat.figures.active_seconds, Some(900), "the figures stay");
    assert_eq!(beat.figures.pages.unwrap()["/a"].seconds, 900);
    // A longer one does not lengthen what has begun.
    let longer = Limits {
        lifetime: 200_000,
        ..LIMITS
    };
    assert_eq!(token.clone().in_force(&longer, at(1_500)), Some(token));
}

#[test]
fn past_the_grace_a_token_is_none() {
    let end = at(86_400);
    assert!(token().in_force(&LIMITS, end.plus(86_399)).is_some());
    assert_eq!(token().in_force(&LIMITS, end.plus(86_400)), None);
    let today = Limits {
        lifetime: 3_600,
        ..LIMITS
    };
    assert!(token().in_force(&today, at(3_600 + 86_399)).is_some());
    assert_eq!(token().in_force(&today, at(3_600 + 86_400)), None);
}

#[test]
fn a_row_that_began_in_another_second_is_another_sessions() {
    let token = renewed_at(&token(), at(100));
    let began = |start, start_is_day| Session {
        start,
        start_is_day,
        ..row()
    };
    assert!(token.owns(&row()));
    for start in [START.minus(1), at(1), at(100), START.day()] {
        assert!(!token.owns(&began(start, false)), "{start}");
    }
    // The column holds the day alone.
    assert!(token.owns(&began(START.day(), true)));
    for days in [START.day().minus(1).day(), START.day().plus(86_400)] {
        assert!(!token.owns(&began(days, true)), "{days}");
    }
}

#[test]
fn a_row_that_nobody_confirmed_lately_is_read_before_it_is_written() {
    let is_late = |now| heartbeat(&token(), &Snapshot::default(), now).is_late;
    assert!(!is_late(at(900)));
    assert!(is_late(at(901)));
}
