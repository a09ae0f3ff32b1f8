//! What has begun is finished: a request that was taken is answered to its end, whoever still listens.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Work that goes on in a task of its own where it is dropped half-way, as `hyper` drops the answer to a
/// client that went away. A log-out that ends one browser and not the other would be the worse for it.
pub(crate) struct Finished<T: 'static>(Option<Work<T>>);

/// Sees `work` through to its end.
pub(crate) fn finished<T>(work: impl Future<Output = T> + Send + 'static) -> Finished<T> {
    Finished(Some(Box::pin(work)))
}

impl<T> Future for Finished<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.0 else {
            // It was answered; nobody asks a future twice.
            return Poll::Pending;
        };
        let output = ready!(work.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(output)
    }
}

impl<T> Drop for Finished<T> {
    fn drop(&mut self) {
        // While the process ends there is no runtime any more; it has been waited for before.
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(async move { drop(work.await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_finished() {
        for is_begun in [false, true] {
            let (go_on, goes_on) = oneshot::channel::<()>();
            let (done, is_done) = oneshot::channel();
            let mut work = finished(async move {
                goes_on.await.unwrap();
                done.send(()).unwrap();
            });
            if is_begun {
                let begun = tokio::time::timeout(Duration::ZERO, &mut work);
                assert!(begun.await.is_err());
            }
            drop(work);
            go_on.send(()).unwrap();
            is_done.await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_waited_for_gives_its_answer() {
        assert_eq!(finished(async { 5 }).await, 5);
    }
}
