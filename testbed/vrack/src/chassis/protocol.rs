//! What can be asked of a chassis, in the words that `ipmi_sim` uses. Parsing only.

use crate::qemu::First;

/// The longest request read.
pub(crate) const REQUEST_BYTES_MAX: u64 = 512;

/// A question or order for one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) machine: String,
    pub(crate) verb: Verb,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verb {
    Get(Vec<Item>),
    Set(Order),
}

/// Something to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    Power,
    Boot,
    /// CPU milliseconds spent by the machine's QEMUs so far; ours, not a BMC's.
    CpuMs,
    /// How often the machine was started; ours, not a BMC's.
    Starts,
}

/// Something to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    PowerOn,
    /// Like pulling the plug.
    PowerOff,
    Reset,
    /// Asks the guest by ACPI.
    SoftOff,
    /// What the next start tries first; none takes an earlier wish back.
    Boot(Option<First>),
    /// The identify light. There is none.
    Identify,
}

/// Reads a request; the error says what could not be read.
pub(crate) fn parse(line: &str) -> Result<Request, String> {
    let mut words = line.split_whitespace();
    let (Some(machine), Some(verb)) = (words.next(), words.next()) else {
        return Err(format!("not MACHINE get|set …: {line:?}"));
    };
    let rest: Vec<&str> = words.collect();
    let verb = match verb {
        "get" if !rest.is_empty() => Verb::Get(rest.into_iter().map(item).collect::<Result<_, _>>()?),
        "set" => Verb::Set(order(&rest)?),
        other => return Err(format!("neither get with items nor set: {other:?}")),
    };
    Ok(Request {
        machine: machine.to_owned(),
        verb,
    })
}

fn item(word: &str) -> Result<Item, String> {
    match word {
        "power" => Ok(Item::Power),
        "boot" => Ok(Item::Boot),
        "cpu-ms" => Ok(Item::CpuMs),
        "starts" => Ok(Item::Starts),
        other => Err(format!("unknown item {other:?}")),
    }
}

fn order(words: &[&str]) -> Result<Order, String> {
    match words {
        ["power", "1"] => Ok(Order::PowerOn),
        ["power", "0"] => Ok(Order::PowerOff),
        ["reset", ..] => Ok(Order::Reset),
        ["shutdown", ..] => Ok(Order::SoftOff),
        ["boot", "none" | "bios"] => Ok(Order::Boot(None)),
        ["boot", "pxe"] => Ok(Order::Boot(Some(First::Network))),
        // IPMI calls the first hard disk "default" (IPMI 2.0 table 28-14, 0010b).
        ["boot", "default"] => Ok(Order::Boot(Some(First::Disk))),
        ["identify", ..] => Ok(Order::Identify),
        other => Err(format!("unknown order {other:?}")),
    }
}

/// The word for a boot device.
pub(crate) fn boot_word(first: Option<First>) -> &'static str {
    match first {
        None => "none",
        Some(First::Network) => "pxe",
        Some(First::Disk) => "default",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_ipmi_sim_is_understood() {
        let cases = [
            ("m1 get power", Verb::Get(vec![Item::Power])),
            ("m1 get power boot", Verb::Get(vec![Item::Power, Item::Boot])),
            ("m1 set power 1", Verb::Set(Order::PowerOn)),
            ("m1 set power 0", Verb::Set(Order::PowerOff)),
            ("m1 set reset 1", Verb::Set(Order::Reset)),
            ("m1 set shutdown 1", Verb::Set(Order::SoftOff)),
            ("m1 set boot pxe", Verb::Set(Order::Boot(Some(First::Network)))),
            ("m1 set boot default", Verb::Set(Order::Boot(Some(First::Disk)))),
            ("m1 set boot none", Verb::Set(Order::Boot(None))),
            ("m1 set identify 5 0", Verb::Set(Order::Identify)),
        ];
        for (line, verb) in cases {
            assert_eq!(
                parse(line),
                Ok(Request {
                    machine: "m1".to_owned(),
                    verb
                }),
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in [
            "",
            "m1",
            "m1 get",
            "m1 get lights",
            "m1 set",
            "m1 set power 2",
            "m1 set boot floppy",
            "m1 do it",
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn a_boot_device_is_told_in_the_word_it_was_given() {
        for word in ["none", "pxe", "default"] {
            let Ok(Request {
                verb: Verb::Set(Order::Boot(first)),
                ..
            }) = parse(&format!("m set boot {word}"))
            else {
                panic!("{word} is a boot device");
            };
            assert_eq!(boot_word(first), word);
        }
    }
}
