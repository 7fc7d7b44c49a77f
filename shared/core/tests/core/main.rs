//! What a fleet does next, situation by situation; and what must hold whatever the situation.
#![expect(unreachable_pub, reason = "support is shared with the benchmarks")]
#![expect(clippy::unwrap_used, reason = "a test that cannot build its situation should stop there")]

mod support;

mod audited;
mod balancing;
mod boots;
mod budgets;
mod capacity;
mod churn;
mod cloud_map;
mod combined;
mod drains;
mod evacuated;
mod failover;
mod failover_spec;
mod forecast;
mod formula;
mod growth;
mod guards;
mod handed_over;
mod health;
mod hooks;
mod kept;
mod launches;
mod learned;
mod lost_steps;
mod market;
mod modes;
mod operator;
mod outage;
mod own_metric;
mod pools;
mod predictive;
mod predictive_spec;
mod properties;
mod queue;
mod refreshes;
mod regions;
mod remembered;
mod renewal;
mod reports;
mod reservations;
mod reserve;
mod simple;
mod spec;
mod spec_defaults;
mod spend;
mod step;
mod stored;
mod strangers;
mod target_tracking;
mod threshold;
mod tuning;
mod warm;
mod windows;
