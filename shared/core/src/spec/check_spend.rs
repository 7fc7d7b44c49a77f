//! Reads the spend cap of a raw spec.

use std::collections::BTreeMap;

use super::problem::Problems;
use super::raw::{RawGuards, RawSpend};
use super::{PoolSpec, Prices, SpendCap};
use crate::id::InstanceType;
use crate::spend::MICROS;

const AT: &str = "guards.budgets.spend";
/// Nothing that a fleet costs in a day is more: beyond it, it is a typing error.
const MOST: f64 = 1e9;

pub(super) fn read(raw: Option<&RawGuards>, pools: &[(usize, PoolSpec)], problems: &mut Problems) -> Option<SpendCap> {
    let raw = raw?.budgets.as_ref()?.spend.as_ref()?;
    match (raw.instance_hours_per_day, raw.per_day) {
        (Some(hours), None) => {
            if let Some(field) = [("currency", raw.currency.is_some()), ("prices", raw.prices.is_some())]
                .iter()
                .find(|field| field.1)
            {
                let message = format!("`{}` belongs to `per_day`", field.0);
                problems.add(format!("{AT}.{}", field.0), message, "an instance hour has no price");
            }
            Some(SpendCap {
                micros_per_day: u64::from(hours).saturating_mul(MICROS),
                prices: Prices::InstanceHours,
            })
        }
        (None, Some(per_day)) => read_money(raw, per_day, pools, problems),
        _ => {
            let message = "a spend cap is exactly one of `instance_hours_per_day` and `per_day`";
            problems.add(AT, message, "such as `{ instance_hours_per_day: 900 }`");
            None
        }
    }
}

fn read_money(raw: &RawSpend, per_day: f64, pools: &[(usize, PoolSpec)], problems: &mut Problems) -> Option<SpendCap> {
    let micros_per_day = micros(per_day);
    if micros_per_day.is_none() {
        let message = format!("`{per_day}` is not above zero, with at most six decimals");
        problems.add(format!("{AT}.per_day"), message, "what the fleet may cost in a day");
    }
    let currency = raw.currency.clone().unwrap_or_default();
    if currency.len() != 3 || !currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
        problems.add(
            format!("{AT}.currency"),
            format!("`{currency}` is no currency"),
            "three capital letters: `USD`",
        );
    }
    let mut micros_per_hour = BTreeMap::new();
    for (name, price) in raw.prices.iter().flatten() {
        match micros(*price) {
            Some(micros) => drop(micros_per_hour.insert(InstanceType::new(name.clone()), micros)),
            None => {
                let message = format!("`{price}` is not above zero, with at most six decimals");
                problems.add(format!("{AT}.prices.{name}"), message, "the price of an hour");
            }
        }
    }
    let named = |wanted: &InstanceType| raw.prices.iter().flatten().any(|(name, _)| name == wanted.as_str());
    for (n, pool) in pools {
        if pool.launch.instance_types.is_empty() {
            let message = "a cap in money needs to know what the pool launches";
            problems.add(
                format!("pools[{n}].launch.instance_types"),
                message,
                "list the types, here or in `defaults`",
            );
        }
        for instance_type in pool.launch.instance_types.iter().filter(|wanted| !named(wanted)) {
            let message = format!("no price for `{instance_type}`, which pool `{}` may launch", pool.id);
            problems.add(format!("{AT}.prices"), message, format!("add `{instance_type}: 0.1`"));
        }
    }
    Some(SpendCap {
        micros_per_day: micros_per_day?,
        prices: Prices::ByType { currency, micros_per_hour },
    })
}

/// Millionths of an amount that is written with at most six decimals; none for anything else, and for nothing.
#[expect(
    clippy::float_arithmetic,
    reason = "an amount is written as a decimal fraction and kept as an integer"
)]
fn micros(amount: f64) -> Option<u64> {
    if !(amount > 0.0 && amount <= MOST) {
        return None;
    }
    let text = format!("{amount:.6}");
    let micros: u64 = text.replace('.', "").parse().ok().filter(|micros| *micros > 0)?;
    let is_whole = libm::fabs(text.parse::<f64>().ok()? - amount) <= amount * 1e-12;
    is_whole.then_some(micros)
}
