//! Rounds, medians, ratios, and the tables that they are printed in.

use crate::error::{BenchError, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What one round of one server gave: work per second, and CPU per unit of work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) rate: f64,
    pub(crate) cpu: f64,
}

/// Samples by load and server. Both are numbered in the order in which they are printed.
#[derive(Debug, Default)]
pub(crate) struct Rounds(BTreeMap<(usize, usize), Vec<Sample>>);

/// What is printed about the rounds.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    /// Such as "clients".
    pub(crate) load: &'a str,
    pub(crate) loads: &'a [String],
    /// Ours is the first.
    pub(crate) servers: &'a [&'a str],
    /// Such as "MB/s".
    pub(crate) rate: &'a str,
    /// Such as "CPU ms/MB".
    pub(crate) cpu: &'a str,
}

impl Rounds {
    pub(crate) fn add(&mut self, load: usize, server: usize, sample: Sample) {
        self.0.entry((load, server)).or_default().push(sample);
    }

    /// A Markdown table of medians, with ours divided by each peer's.
    ///
    /// # Errors
    /// A server has no sample of a load: a table that lacks a row says something that nobody measured.
    pub(crate) fn table(&self, words: &Words<'_>) -> Result<String> {
        let mut text = format!(
            "| {} | server | {} | {} | ours, rate | ours per CPU | rounds |\n|---|---|---|---|---|---|---|\n",
            words.load, words.rate, words.cpu
        );
        for (load, name) in words.loads.iter().enumerate() {
            let ours = self.median(load, 0);
            for (server, title) in words.servers.iter().enumerate() {
                let one = self.median(load, server).ok_or_else(|| BenchError::Wrong {
                    server: (*title).to_owned(),
                    what: format!("no sample of {name}"),
                })?;
                let (rate, cpu) = match ours {
                    Some(ours) if server > 0 => (
                        format!("{:.2}x", ours.rate / one.rate),
                        format!("{:.2}x", one.cpu / ours.cpu),
                    ),
                    _ => (String::new(), String::new()),
                };
                let rounds = self.0[&(load, server)].len();
                writeln!(
                    text,
                    "| {name} | {title} | {} | {} | {rate} | {cpu} | {rounds} |",
                    figures(one.rate),
                    figures(one.cpu)
                )
                .expect("a string takes all text");
            }
        }
        Ok(text)
    }

    fn median(&self, load: usize, server: usize) -> Option<Sample> {
        let samples = self.0.get(&(load, server))?;
        Some(Sample {
            rate: median(samples.iter().map(|sample| sample.rate).collect())?,
            cpu: median(samples.iter().map(|sample| sample.cpu).collect())?,
        })
    }
}

/// The value in the middle, or between the two there.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    Some(f64::midpoint(values[middle], values[values.len() / 2]))
}

/// Three figures.
fn figures(value: f64) -> String {
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn ratios_are_ours_over_the_peers_and_cpu_the_other_way_round() {
        let mut rounds = Rounds::default();
        rounds.add(
            0,
            0,
            Sample {
                rate: 300.0,
                cpu: 1.0,
            },
        );
        rounds.add(
            0,
            1,
            Sample {
                rate: 200.0,
                cpu: 4.0,
            },
        );
        let words = Words {
            load: "clients",
            loads: &["1".to_owned()],
            servers: &["ours", "theirs"],
            rate: "MB/s",
            cpu: "ms/MB",
        };
        let table = rounds.table(&words).expect("there is a sample of each");
        assert!(
            table.contains("| 1 | theirs | 200 | 4.00 | 1.50x | 4.00x | 1 |"),
            "{table}"
        );
    }

    #[test]
    fn a_row_that_was_not_measured_is_missed() {
        let words = Words {
            load: "clients",
            loads: &["1".to_owned()],
            servers: &["ours"],
            rate: "MB/s",
            cpu: "ms/MB",
        };
        let error = Rounds::default().table(&words).expect_err("nothing was measured");
        assert!(error.to_string().contains("no sample of 1"), "{error}");
    }
}
