//! The Lambda function: hands the handler to the runtime.

/// One request at a time is all a sandbox gets, so one thread will do.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    shared::lambda::run(sessions::handle).await
}
