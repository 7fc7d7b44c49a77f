//! Whatever arrives, the parser of events answers and does not panic.
//!
//! With `cargo-fuzz` and a nightly compiler, starting from the real payloads:
//! `cargo +nightly fuzz run classify fuzz/corpus/classify events -- -max_len=65536 -max_total_time=300`
#![no_main]

use ghostnet_aws::event::{CheckRequest, RECORDS_MAX, TrafficAsked, classify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    let _ = CheckRequest::of(payload);
    let _ = TrafficAsked::of(payload);
    if let Ok(signals) = classify(payload) {
        assert!((1..=RECORDS_MAX).contains(&signals.len()), "{} signals", signals.len());
    }
});
