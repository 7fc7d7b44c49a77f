//! A backtest as one HTML page that needs nothing but itself: its charts are drawn by Apache ECharts, which is part of the page.
//!
//! Every text goes through the templates or is data that no browser reads as markup; only the two scripts of `script` run.

#[cfg(test)]
mod browser;
mod charts;
#[cfg(test)]
mod fixture;
mod page;
mod pareto;
mod policies;
mod script;
mod span;
mod table;
mod text;
mod thin;
mod words;

pub(crate) use page::page;
pub(crate) use text::text;
