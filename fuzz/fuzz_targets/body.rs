//! Any bytes as the body of a form, a multipart form, JSON or a beacon.

#![no_main]

use std::cell::RefCell;

use http::header::CONTENT_TYPE;
use libfuzzer_sys::fuzz_target;
use shared::body::{Body, MAX_BODY_BYTES};
use shared::snapshot::Snapshot;
use tokio::runtime::{Builder, Runtime};

/// The first byte chooses one; the rest is the body.
const TYPES: [&str; 6] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=xx",
    "text/plain;charset=UTF-8",
    "multipart/form-data; boundary=",
    "Multipart/Form-Data; Boundary=\"a b\"; charset=utf-8",
];

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().build().expect("a runtime without I/O"));
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, body)) = bytes.split_first() else {
        return;
    };
    let content_type = TYPES[usize::from(*kind) % TYPES.len()];
    let request = http::Request::builder()
        .header(CONTENT_TYPE, content_type)
        .body(bytes::Bytes::copy_from_slice(body))
        .expect("a request of constants");
    let read = RUNTIME.with_borrow(|runtime| runtime.block_on(Body::read(&request)));
    let Ok(read) = read else { return };
    assert!(body.len() <= MAX_BODY_BYTES);
    if read.is_form {
        assert!(read.fields.values().all(serde_json::Value::is_string));
    }
    let _ = Snapshot::read(&read.fields);
});
