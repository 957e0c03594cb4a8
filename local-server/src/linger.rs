//! A relay's last seconds: it has said Goodbye, so that nobody new is sent to it, and serves on for those who are here until
//! the fleet has sent them elsewhere. Players that follow the primary's 307s would end if their relay were gone first.

use std::time::Duration;

use service::Shutdown;
use tokio::time::sleep;

/// Ends when viewers may be left: at once where there are none, else `longest` after the soft stop, or at the hard one.
pub(crate) async fn linger(shutdown: &Shutdown, longest: Duration, is_quiet: impl Fn() -> bool) {
    shutdown.soft.cancelled().await;
    if is_quiet() {
        return;
    }
    tracing::info!(?longest, "serving on for those who are here");
    tokio::select! {
        () = sleep(longest) => {}
        () = shutdown.hard.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn viewers_are_served_on_for_a_while_and_nobody_is_waited_for() {
        for (quiet, hard, expected) in
            [(true, false, Duration::ZERO), (false, false, LONGEST), (false, true, Duration::ZERO)]
        {
            let shutdown = Shutdown::default();
            shutdown.stop();
            if hard {
                shutdown.hard.cancel();
            }
            let before = Instant::now();
            linger(&shutdown, LONGEST, || quiet).await;
            assert_eq!(before.elapsed(), expected, "quiet: {quiet}, hard: {hard}");
        }
    }
}
