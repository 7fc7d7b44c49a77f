//! The one file that reads the clock of the operating system. Everything else gets `now` as an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ghostnet_engine::port::Clock;
use jiff::Timestamp;

use crate::Aws;

impl Clock for Aws {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn wait(&self, time: Duration) {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where an invocation waits, and the engine says how long"
        )]
        tokio::time::sleep(time).await;
    }
}

/// Now, in whole milliseconds: finer digits would only lengthen records.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where time enters the program")]
pub fn now() -> Timestamp {
    // a clock before 1970 or after year 9999 reads as 1970: nothing is decided right then, but nothing panics either
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis())
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or_default()
}
