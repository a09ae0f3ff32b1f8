//! The same story with and without faults, on a real NocoDB.

use fault_tests::place::{Place, server};
use fault_tests::proxy::{FAULTS, Proxy};
use fault_tests::story::{END, EVERYBODY_IS_IN, compare, tell, visits, windows};

const VISITS: usize = 10;

/// How many stories are told to each test; `FAULT_STORIES` for more.
fn stories() -> u64 {
    let given = std::env::var("FAULT_STORIES").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(1)
}

async fn truth(seed: u64) -> fault_tests::story::Told {
    let place = Place::on_nocodb(&server(), None).await;
    tell(place, None, &visits(seed, VISITS), &[], &[]).await
}

async fn told(seed: u64, every: Option<u64>, kills: &[u64]) -> fault_tests::story::Told {
    let proxy = Proxy::start(&server(), seed).await;
    let place = Place::on_nocodb(&proxy.url, every).await;
    let windows = windows(seed);
    println!("{windows:?}");
    tell(place, Some(&proxy), &visits(seed, VISITS), &windows, kills).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real NocoDB"]
async fn whatever_nocodb_does_the_table_says_the_same_in_the_end() {
    let first = fault_tests::seed();
    for seed in first..first + stories() {
        println!("seed {seed}");
        compare(
            &visits(seed, VISITS),
            &truth(seed).await,
            &told(seed, None, &[]).await,
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real NocoDB"]
async fn in_batched_mode_it_does_too() {
    let first = fault_tests::seed();
    for seed in first..first + stories() {
        println!("seed {seed}");
        compare(
            &visits(seed, VISITS),
            &truth(seed).await,
            &told(seed, Some(60), &[]).await,
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real NocoDB"]
async fn each_fault_alone_for_an_hour_costs_nothing() {
    let seed = fault_tests::seed();
    let truth = truth(seed).await;
    let all = visits(seed, VISITS);
    // One after the other: the client of these tests waits less than a server beside eight stories needs.
    for fault in FAULTS {
        println!("{fault:?}");
        let proxy = Proxy::start(&server(), seed).await;
        let place = Place::on_nocodb(&proxy.url, None).await;
        let hour = [(EVERYBODY_IS_IN + 60, EVERYBODY_IS_IN + 3_660, fault)];
        let told = tell(place, Some(&proxy), &all, &hour, &[]).await;
        compare(&all, &truth, &told);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real NocoDB"]
async fn a_process_that_is_killed_again_and_again_loses_nothing() {
    let seed = fault_tests::seed();
    let kills: Vec<u64> = (EVERYBODY_IS_IN..END).step_by(611).collect();
    compare(
        &visits(seed, VISITS),
        &truth(seed).await,
        &told(seed, None, &kills).await,
    );
}
