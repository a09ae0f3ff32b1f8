use std::sync::mpsc;
use std::time::{Duration, Instant};

use rusqlite::ErrorCode;
use tempfile::TempDir;

use super::*;
use crate::store::StoreError;

/// A file with one table, `numbers`, that takes each number once.
fn numbers() -> (Database, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("numbers.db"), |db| {
        db.execute_batch("CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY)")
    });
    (database.unwrap(), folder)
}

fn other(folder: &TempDir) -> Connection {
    Connection::open(folder.path().join("numbers.db")).unwrap()
}

fn add(db: &Connection, number: u32) -> Result<u32, StoreError> {
    db.execute("INSERT INTO numbers VALUES (?1)", [number])?;
    Ok(number)
}

fn all(db: &Connection) -> Result<Vec<u32>, StoreError> {
    let mut select = db.prepare("SELECT number FROM numbers ORDER BY number")?;
    let numbers = select.query_map([], |row| row.get(0))?;
    Ok(numbers.collect::<Result<_, _>>()?)
}

/// Keeps the writer busy until the sender is dropped, so that what comes meanwhile is one commit.
async fn busy(database: &Database) -> (mpsc::Sender<()>, impl Future<Output = ()>) {
    let (go_on, goes_on) = mpsc::channel::<()>();
    let (begun, is_begun) = tokio::sync::oneshot::channel();
    let begun = std::sync::Mutex::new(Some(begun));
    let goes_on = std::sync::Mutex::new(goes_on);
    let work = move |_: &Connection| {
        let begun = begun.lock().unwrap().take();
        begun.unwrap().send(()).unwrap();
        let _ = goes_on.lock().unwrap().recv();
        Ok::<_, StoreError>(())
    };
    let mut write = Box::pin(database.write(Durability::Process, work));
    tokio::select! {
        _ = &mut write => panic!("it goes on until it may stop"),
        _ = is_begun => {}
    }
    (go_on, async move { write.await.unwrap() })
}

#[tokio::test]
async fn one_that_fails_in_a_commit_costs_only_itself() {
    let (database, _folder) = numbers();
    let database = &database;
    let add = |number| database.write(Durability::Process, move |db| add(db, number));
    // The first half is written when the second half fails.
    let half = database.write(Durability::Power, |db| {
        self::add(db, 7)?;
        self::add(db, 1)
    });
    let (go_on, is_over) = busy(database).await;
    let (one, half, twice, two, ()) = tokio::join!(add(1), half, add(1), add(2), async {
        drop(go_on);
        is_over.await;
    });
    assert_eq!((one.unwrap(), two.unwrap()), (1, 2));
    for failed in [half, twice] {
        let Err(StoreError::Sqlite(error)) = failed else {
            panic!("{failed:?}")
        };
        assert_eq!(
            error.sqlite_error_code(),
            Some(ErrorCode::ConstraintViolation)
        );
    }
    assert_eq!(database.read(all).await.unwrap(), [1, 2]);
}

#[tokio::test]
async fn what_has_gathered_is_one_commit() {
    let (database, folder) = numbers();
    let database = &database;
    let path = folder.path().join("numbers.db");
    // Sees the others' numbers, which nobody outside the commit does.
    let look = |number| {
        let path = path.clone();
        database.write(Durability::Process, move |db| {
            self::add(db, number)?;
            Ok::<_, StoreError>((all(db)?, all(&Connection::open(&path)?)?))
        })
    };
    let (go_on, is_over) = busy(database).await;
    let (first, second, ()) = tokio::join!(look(1), look(2), async {
        drop(go_on);
        is_over.await;
    });
    assert_eq!(first.unwrap(), (vec![1], vec![]));
    assert_eq!(second.unwrap(), (vec![1, 2], vec![]));
}

#[tokio::test]
async fn more_than_a_commit_takes_are_all_written() {
    let (database, _folder) = numbers();
    let database = std::sync::Arc::new(database);
    let (go_on, is_over) = busy(&database).await;
    let writes: Vec<_> = (0..200)
        .map(|number| {
            let database = std::sync::Arc::clone(&database);
            let write = async move {
                let add = move |db: &Connection| add(db, number);
                database.write(Durability::Process, add).await
            };
            tokio::spawn(write)
        })
        .collect();
    drop(go_on);
    is_over.await;
    for (number, write) in (0..).zip(writes) {
        assert_eq!(write.await.unwrap().unwrap(), number);
    }
    assert_eq!(
        database.read(all).await.unwrap(),
        (0..200).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn readers_wait_for_no_lock_and_a_writer_in_a_hurry_not_long() {
    let (database, folder) = numbers();
    let add = |number| database.write(Durability::Power, move |db| add(db, number));
    add(1).await.unwrap();
    let other = other(&folder);
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut waiting = Box::pin(add(2));
    assert!(
        tokio::time::timeout(Duration::from_millis(50), &mut waiting)
            .await
            .is_err(),
        "the file is locked"
    );
    assert_eq!(database.read(all).await.unwrap(), [1]);
    let began = Instant::now();
    database.hurry();
    let Err(StoreError::Sqlite(error)) = waiting.await else {
        panic!("the file is locked")
    };
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    other.execute_batch("ROLLBACK").unwrap();
    add(3).await.unwrap();
    assert_eq!(database.read(all).await.unwrap(), [1, 3]);
}

#[tokio::test]
async fn a_lock_that_is_given_back_in_time_costs_nothing() {
    let (database, folder) = numbers();
    let other = other(&folder);
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let write = database.write(Durability::Process, |db| add(db, 1));
    let (written, ()) = tokio::join!(write, async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        other.execute_batch("COMMIT").unwrap();
    });
    assert_eq!(written.unwrap(), 1);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_written_all_the_same() {
    let (database, folder) = numbers();
    let (go_on, is_over) = busy(&database).await;
    let mut write = Box::pin(database.write(Durability::Process, |db| add(db, 1)));
    assert!(
        tokio::time::timeout(Duration::ZERO, &mut write)
            .await
            .is_err()
    );
    drop(write);
    drop(go_on);
    is_over.await;
    // It closes the file once everything in line is written.
    drop(database);
    assert_eq!(all(&other(&folder)).unwrap(), [1]);
}

#[tokio::test]
async fn a_confirmed_write_is_in_the_file_and_whoever_reads_sees_it() {
    let (database, folder) = numbers();
    for number in 0..20 {
        let durability = if number % 2 == 0 {
            Durability::Process
        } else {
            Durability::Power
        };
        database
            .write(durability, move |db| add(db, number))
            .await
            .unwrap();
        let expected = (0..=number).collect::<Vec<_>>();
        assert_eq!(database.read(all).await.unwrap(), expected);
        assert_eq!(all(&other(&folder)).unwrap(), expected);
    }
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (database, _folder) = numbers();
    assert!(database.read(|db| add(db, 1)).await.is_err());
    assert!(database.read(all).await.unwrap().is_empty());
}
