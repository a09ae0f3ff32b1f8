//! `lastseen notify --test`, and a setting that `serve` refuses.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::place::Place;

#[test]
fn a_test_message_goes_to_the_receiver() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/pa55", listener.local_addr().unwrap());
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = String::new();
        let mut buffer = [0; 4096];
        while !asked.contains("this is a test") {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "{asked}");
            asked.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .unwrap();
        asked
    });
    let ran = Place::new()
        .set("NOTIFY_URL", url)
        .run(&["notify", "--test"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "127.0.0.1 took a test message.\n"),
        "{ran:?}"
    );
    assert!(receiver.join().unwrap().starts_with("POST /pa55 "));
}

#[test]
fn what_prevents_it_is_said_without_the_address() {
    let place = Place::new();
    let ran = place.run(&["notify", "--test"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (
            1,
            "lastseen: NOTIFY_URL: is not set, so there is nobody to tell\n"
        )
    );
    assert_eq!(place.run(&["notify"]).code, 2);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/pa55", listener.local_addr().unwrap());
    drop(listener);
    let ran = Place::new()
        .set("NOTIFY_URL", url)
        .run(&["notify", "--test"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .starts_with("lastseen: NOTIFY_URL: the receiver could not be reached"),
        "{ran:?}"
    );
    assert!(!ran.err.contains("pa55"), "{ran:?}");
}

#[test]
fn a_bad_setting_stops_the_start_with_one_line_that_names_it() {
    for (name, value) in [
        ("NOTIFY_URL", "http://example.com/pa55"),
        ("NOTIFY_URL", "pa55"),
        ("NOTIFY_SECRET", "pa55"),
        ("NOTIFY_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ] {
        let ran = Place::new().with_site().set(name, value).run(&["serve"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.err.starts_with(&format!("lastseen: {name}: ")),
            "{ran:?}"
        );
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        assert!(
            !ran.err.contains("pa55") && !ran.err.contains("MfKQ"),
            "{ran:?}"
        );
    }
}
