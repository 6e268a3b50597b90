//! Conditions on what was found in a machine: the one place where the language compares.

use crate::{
    decode::scalar::text_value,
    value::{BadValue, pattern::Pattern, size::Size},
};
use std::{fmt, str::FromStr};

/// `gpu.count >= 1 and not system.vendor = "QEMU"`: facts compared with values, joined by `and`, `or`, `not`
/// and parentheses; `and` binds more tightly than `or`. At most 500 characters and 50 comparisons.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    written: String,
    root: Condition,
}

/// What an expression says.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of them.
    All(Vec<Condition>),
    /// At least one of them.
    Any(Vec<Condition>),
    /// The contrary.
    Not(Box<Condition>),
    /// One comparison.
    Compare(Fact, Comparison, Operand),
}

/// What was found in a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// Processors' architecture.
    CpuArch,
    /// Processors' model.
    CpuModel,
    /// Physical cores over all sockets.
    CpuCores,
    /// Hardware threads over all sockets.
    CpuThreads,
    /// Memory in bytes.
    Memory,
    /// Local disks.
    DiskCount,
    /// Local disks on NVMe.
    DiskNvme,
    /// Local solid-state disks behind SATA or SAS.
    DiskSsd,
    /// Local disks that turn.
    DiskHdd,
    /// GPUs.
    GpuCount,
    /// The makers of its GPUs.
    GpuVendor,
    /// Network interfaces.
    NicCount,
    /// The fastest interface, in Mbit/s.
    NicSpeed,
    /// How its firmware boots.
    FirmwareKind,
    /// The system's maker.
    SystemVendor,
    /// The system's product name.
    SystemProduct,
}

/// What a fact is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Size,
    Text,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// `=`; a text is covered by the pattern.
    Equal,
    /// `!=`.
    Unequal,
    /// `<`.
    Less,
    /// `<=`.
    AtMost,
    /// `>`.
    More,
    /// `>=`.
    AtLeast,
}

/// What a fact is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A number, or bytes.
    Number(u64),
    /// A pattern over a text.
    Pattern(Pattern),
}

/// Every fact with its name and what it is compared with.
const FACTS: [(&str, Fact, Kind); 16] = [
    ("cpu.arch", Fact::CpuArch, Kind::Text),
    ("cpu.model", Fact::CpuModel, Kind::Text),
    ("cpu.cores", Fact::CpuCores, Kind::Number),
    ("cpu.threads", Fact::CpuThreads, Kind::Number),
    ("memory", Fact::Memory, Kind::Size),
    ("disk.count", Fact::DiskCount, Kind::Number),
    ("disk.nvme", Fact::DiskNvme, Kind::Number),
    ("disk.ssd", Fact::DiskSsd, Kind::Number),
    ("disk.hdd", Fact::DiskHdd, Kind::Number),
    ("gpu.count", Fact::GpuCount, Kind::Number),
    ("gpu.vendor", Fact::GpuVendor, Kind::Text),
    ("nic.count", Fact::NicCount, Kind::Number),
    ("nic.speed", Fact::NicSpeed, Kind::Number),
    ("firmware", Fact::FirmwareKind, Kind::Text),
    ("system.vendor", Fact::SystemVendor, Kind::Text),
    ("system.product", Fact::SystemProduct, Kind::Text),
];

/// Longest first, so that `>=` is not read as `>`.
const COMPARISONS: [(&str, Comparison); 6] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    ("!=", Comparison::Unequal),
    ("=", Comparison::Equal),
    (">", Comparison::More),
    ("<", Comparison::Less),
];

const LENGTH_MAX: usize = 500;
const COMPARISONS_MAX: usize = 50;
/// Parentheses within each other: the reader recurses on them.
const DEPTH_MAX: usize = 16;

impl Expression {
    /// What it says.
    pub fn root(&self) -> &Condition {
        &self.root
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl FromStr for Expression {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if text.len() > LENGTH_MAX {
            return Err(BadValue("it is at most 500 characters long"));
        }
        let mut reader = Reader {
            rest: text.trim(),
            comparisons: 0,
        };
        let root = reader.any(0)?;
        if !reader.rest.is_empty() {
            return Err(BadValue("between two comparisons stands \"and\" or \"or\""));
        }
        let written = text.to_owned();
        Ok(Self { written, root })
    }
}

struct Reader<'t> {
    rest: &'t str,
    comparisons: usize,
}

impl<'t> Reader<'t> {
    fn any(&mut self, depth: usize) -> Result<Condition, BadValue> {
        let mut conditions = vec![self.all(depth)?];
        while self.takes_word("or") {
            conditions.push(self.all(depth)?);
        }
        Ok(joined(conditions, Condition::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Condition, BadValue> {
        let mut conditions = vec![self.one(depth)?];
        while self.takes_word("and") {
            conditions.push(self.one(depth)?);
        }
        Ok(joined(conditions, Condition::All))
    }

    fn one(&mut self, depth: usize) -> Result<Condition, BadValue> {
        if depth > DEPTH_MAX {
            return Err(BadValue("at most 16 of \"not\" and ( stand within each other"));
        }
        if self.takes_word("not") {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        if !self.takes("(") {
            return self.compare();
        }
        let inner = self.any(depth + 1)?;
        match self.takes(")") {
            true => Ok(inner),
            false => Err(BadValue("a parenthesis is not closed")),
        }
    }

    fn compare(&mut self) -> Result<Condition, BadValue> {
        self.comparisons += 1;
        if self.comparisons > COMPARISONS_MAX {
            return Err(BadValue("at most 50 comparisons are made"));
        }
        let word = self.word();
        let known = FACTS.iter().find(|(name, ..)| *name == word);
        let (_, fact, kind) = known.ok_or(BadValue(
            "a fact is one of cpu.arch, cpu.model, cpu.cores, cpu.threads, memory, disk.count, disk.nvme, \
             disk.ssd, disk.hdd, gpu.count, gpu.vendor, nic.count, nic.speed, firmware, system.vendor, \
             system.product",
        ))?;
        let comparison = COMPARISONS.iter().find(|(sign, _)| self.takes(sign));
        let (_, comparison) = comparison.ok_or(BadValue("after a fact stands one of = != < <= > >="))?;
        let ordered = !matches!(comparison, Comparison::Equal | Comparison::Unequal);
        if *kind == Kind::Text && ordered {
            return Err(BadValue("a text is compared by = or !="));
        }
        Ok(Condition::Compare(*fact, *comparison, self.operand(*kind)?))
    }

    fn operand(&mut self, kind: Kind) -> Result<Operand, BadValue> {
        match kind {
            Kind::Text => {
                let quoted = self.rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
                let (text, rest) = quoted.ok_or(BadValue("a text stands in double quotes"))?;
                self.rest = rest.trim_start();
                text.parse().map(Operand::Pattern)
            }
            Kind::Number => {
                let number = self.word().parse();
                number
                    .map(Operand::Number)
                    .map_err(|_| BadValue("the fact is compared with a whole number"))
            }
            Kind::Size => {
                let size: Size = self.word().parse()?;
                Ok(Operand::Number(size.0))
            }
        }
    }

    /// Letters, digits and dots.
    fn word(&mut self) -> &'t str {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn takes(&mut self, sign: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(sign) else {
            return false;
        };
        self.rest = rest.trim_start();
        true
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let before = self.rest;
        if self.word() == word {
            return true;
        }
        self.rest = before;
        false
    }
}

fn joined(mut conditions: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match conditions.len() {
        1 => conditions.remove(0),
        _ => join(conditions),
    }
}

text_value!(
    Expression,
    M0009,
    "a condition",
    "gpu.count >= 1 and memory >= 256GiB"
);

#[cfg(test)]
mod tests {
    use super::Expression;

    fn reads(text: &str) -> String {
        match text.parse::<Expression>() {
            Ok(expression) => format!("{:?}", expression.root()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn and_binds_more_tightly_than_or() {
        assert_eq!(
            reads("gpu.count >= 1 or cpu.cores > 8 and not cpu.arch = \"arm64\""),
            "Any([Compare(GpuCount, AtLeast, Number(1)), All([Compare(CpuCores, More, Number(8)), \
             Not(Compare(CpuArch, Equal, Pattern(Pattern(\"arm64\"))))])])"
        );
        assert_eq!(reads("(memory>=1KiB)"), "Compare(Memory, AtLeast, Number(1024))");
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (text, why) in [
            ("", "a fact is one of"),
            ("gpus >= 1", "a fact is one of"),
            ("gpu.count", "after a fact stands"),
            ("gpu.count >= many", "whole number"),
            ("memory >= 12", "the unit is"),
            ("cpu.arch > \"a\"", "by = or !="),
            ("cpu.arch = amd64", "double quotes"),
            ("(gpu.count = 1", "not closed"),
            ("gpu.count = 1 gpu.count = 2", "\"and\" or \"or\""),
            (&"(".repeat(100), "at most 16"),
            (&"not ".repeat(100), "at most 16"),
            (&"nic.count=1 and ".repeat(60), "at most"),
        ] {
            assert!(reads(text).contains(why), "{text}: {}", reads(text));
        }
    }
}
