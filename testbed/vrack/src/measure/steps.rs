//! What each step of a deployment took, from what was seen of the machine. Pure.
//!
//! A step lasts from its own first word on the console to the next step's, so that what lies between two steps is in
//! the bill of the first, and all of them together are the whole.

use crate::error::{Result, RigError};
use crate::measure::meter::{Sample, Seen};

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Power, firmware, network boot, kernel and ephemeral system, to the first word of who does the work.
    NetworkBoot,
    /// Drivers, devices, and asking what is to be done.
    Devices,
    /// The permission to write, and the mark of whose the disk is.
    Fence,
    Partition,
    Filesystems,
    Unpack,
    Configure,
    BootLoader,
    Finish,
    /// From the last write until the firmware speaks again.
    Restart,
    /// Firmware, boot loader and the new system, until it says that it is up.
    FirstBoot,
}

impl Step {
    pub(crate) const ALL: [Step; 11] = [
        Step::NetworkBoot,
        Step::Devices,
        Step::Fence,
        Step::Partition,
        Step::Filesystems,
        Step::Unpack,
        Step::Configure,
        Step::BootLoader,
        Step::Finish,
        Step::Restart,
        Step::FirstBoot,
    ];

    /// For people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Step::NetworkBoot => "network boot to the first word",
            Step::Devices => "drivers, devices, asking for the job",
            Step::Fence => "the permission to write, the marker",
            Step::Partition => "partition",
            Step::Filesystems => "make and mount the filesystem",
            Step::Unpack => "fetch, verify and unpack the image",
            Step::Configure => "configure",
            Step::BootLoader => "boot loader",
            Step::Finish => "unmount and sync",
            Step::Restart => "restart",
            Step::FirstBoot => "first boot of the system",
        }
    }
}

/// What is on the console when a step begins; `None` where that side has no such step.
pub(crate) type Words = [(Step, Option<&'static str>); 11];

/// muster's in-machine agent. Its job asks again for what it may do after the devices are there.
pub(crate) const MUSTER: Words = [
    (Step::NetworkBoot, Some("")),
    (Step::Devices, Some("muster: in-machine agent")),
    (Step::Fence, Some("muster: fence")),
    (Step::Partition, Some("muster: partition")),
    (Step::Filesystems, Some("muster: mkfs")),
    (Step::Unpack, Some("muster: unpack")),
    (Step::Configure, Some("muster: configure")),
    (Step::BootLoader, Some("muster: bootloader")),
    (Step::Finish, Some("muster: finish")),
    (Step::Restart, Some("muster: finish: done")),
    (Step::FirstBoot, Some(FIRMWARE)),
];

/// The bare script.
pub(crate) const BARE: Words = [
    (Step::NetworkBoot, Some("")),
    (Step::Devices, Some("bare: devices")),
    (Step::Fence, None),
    (Step::Partition, Some("bare: partition")),
    (Step::Filesystems, Some("bare: mkfs")),
    (Step::Unpack, Some("bare: unpack")),
    (Step::Configure, Some("bare: configure")),
    (Step::BootLoader, Some("bare: bootloader")),
    (Step::Finish, Some("bare: finish")),
    (Step::Restart, Some("bare: finish: done")),
    (Step::FirstBoot, Some(FIRMWARE)),
];

/// What SeaBIOS says first at each start.
const FIRMWARE: &str = "SeaBIOS (version";

/// Wall and CPU time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
}

impl Cost {
    pub(crate) fn between(from: Sample, to: Sample) -> Self {
        Self {
            seconds: (to.at_ms - from.at_ms) as f64 / 1e3,
            cpu_seconds: to.cpu_ms.saturating_sub(from.cpu_ms) as f64 / 1e3,
        }
    }
}

/// A deployment from power to a system that is up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Deployment {
    pub(crate) steps: Vec<(Step, Cost)>,
    pub(crate) total: Cost,
    /// When the power came, by the host's clock.
    pub(crate) on_ms: i64,
    begins: Vec<(Step, Sample)>,
}

impl Deployment {
    /// When a step began; the power, for one that this side does not have.
    pub(crate) fn begins_ms(&self, wanted: Step) -> i64 {
        let found = self.begins.iter().find(|(step, _)| *step == wanted);
        found.map_or(self.on_ms, |(_, sample)| sample.at_ms)
    }
}

/// Reads it out of what was seen. The console before the watch began does not count; the system is up at `up_ms`.
pub(crate) fn deployment(seen: &Seen, words: &Words, up_ms: i64) -> Result<Deployment> {
    let missing = |what: &str| RigError::Answer {
        whom: "the console".to_owned(),
        found: format!("nothing of {what:?} in its order"),
    };
    let first = seen.samples.first().ok_or_else(|| missing("a machine"))?;
    // The last look before the first start: what it had spent by then is not of this deployment.
    let mut looks = seen.samples.iter().zip(seen.samples.iter().skip(1));
    let on = looks.find(|(_, next)| next.starts > first.starts);
    let (on, _) = on.ok_or_else(|| missing("a start"))?;
    let on = *on;
    let mut place = usize::try_from(first.console_bytes).unwrap_or(usize::MAX);
    let mut begins = Vec::new();
    for (step, word) in words {
        let Some(word) = word else { continue };
        if word.is_empty() {
            begins.push((*step, on));
            continue;
        }
        let found = seen.console.get(place..).and_then(|rest| rest.find(word));
        place += found.ok_or_else(|| missing(word))? + word.len();
        begins.push((*step, written(seen, place).ok_or_else(|| missing(word))?));
    }
    let up = seen.samples.iter().find(|sample| sample.at_ms >= up_ms);
    let up = *up.or(seen.samples.last()).ok_or_else(|| missing("a system"))?;
    let ends = begins.iter().skip(1).map(|(_, sample)| *sample).chain([up]);
    let steps = begins.iter().zip(ends);
    let steps = steps
        .map(|((step, from), to)| (*step, Cost::between(*from, to)))
        .collect();
    Ok(Deployment {
        steps,
        total: Cost::between(on, up),
        on_ms: on.at_ms,
        begins,
    })
}

/// The first look that saw so much of the console.
fn written(seen: &Seen, bytes: usize) -> Option<Sample> {
    let bytes = u64::try_from(bytes).ok()?;
    seen.samples
        .iter()
        .find(|sample| sample.console_bytes >= bytes)
        .copied()
}

/// When a word was on the console, counted from where it was when the watch began.
pub(crate) fn said_ms(seen: &Seen, word: &str) -> Option<i64> {
    let begin = usize::try_from(seen.samples.first()?.console_bytes).ok()?;
    let place = seen.console.get(begin..)?.find(word)? + begin + word.len();
    written(seen, place).map(|sample| sample.at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A look every second, each with so many bytes of console and so much CPU; on from the third.
    fn seen(console: &[&str]) -> Seen {
        let mut text = "old bare: partition\n".to_owned();
        let mut samples = Vec::new();
        for (at, line) in [""].iter().chain(console).enumerate() {
            text.push_str(line);
            let at = u64::try_from(at).expect("few");
            samples.push(Sample {
                at_ms: i64::try_from(at * 1000).expect("few"),
                cpu_ms: 7000 + at.saturating_sub(2) * 500,
                starts: u64::from(at > 2) + 1,
                console_bytes: text.len() as u64,
            });
        }
        Seen {
            samples,
            console: text,
        }
    }

    const LINES: [&str; 13] = [
        "",
        "",
        "SeaBIOS (version 1)\nbare: dev",
        "ices\n",
        "bare: partition\nbare: partition: done\n",
        "bare: mkfs\n",
        "bare: unpack\n",
        "bare: configure\n",
        "bare: bootloader\n",
        "bare: finish\n",
        "bare: finish: done\n",
        "SeaBIOS (version 1)\n",
        "bare: up\n",
    ];

    #[test]
    fn steps_are_read_in_order_and_add_up_to_the_whole() {
        let seen = seen(&LINES);
        let up = said_ms(&seen, "bare: up").expect("it says so");
        let deployment = deployment(&seen, &BARE, up).expect("all steps are there");
        assert_eq!(deployment.steps.len(), 10);
        let sum: f64 = deployment.steps.iter().map(|(_, cost)| cost.cpu_seconds).sum();
        assert!(
            (sum - deployment.total.cpu_seconds).abs() < 1e-9,
            "{deployment:?}"
        );
        assert_eq!(deployment.on_ms, 2000);
        // A word counts when all of it is there.
        let boot = Cost {
            seconds: 2.0,
            cpu_seconds: 1.0,
        };
        assert_eq!(deployment.steps[0], (Step::NetworkBoot, boot));
        assert_eq!(deployment.begins_ms(Step::Partition), 5000);
        assert_eq!(deployment.begins_ms(Step::Restart), 11_000);
    }

    #[test]
    fn a_machine_that_was_on_already_is_not_measured() {
        let mut seen = seen(&LINES);
        seen.samples.drain(..3);
        let error = deployment(&seen, &BARE, 0).expect_err("its start was not seen");
        assert!(error.to_string().contains("a start"), "{error}");
    }

    #[test]
    fn a_step_that_is_missing_is_named() {
        let lines: Vec<&str> = LINES
            .into_iter()
            .filter(|line| *line != "bare: unpack\n")
            .collect();
        let error = deployment(&seen(&lines), &BARE, 0).expect_err("no unpack");
        assert!(error.to_string().contains("bare: unpack"), "{error}");
    }
}
