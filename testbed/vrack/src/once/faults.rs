//! Faults at known moments of a life: each really happens once, and the end must be the same.

use crate::chassis;
use crate::error::{Result, RigError};
use crate::machine::MachineSpec;
use crate::once::programs::Programs;
use crate::rack::Rack;

/// What is seen of the machine now.
pub(crate) struct Moment<'a> {
    pub(crate) headline: &'a str,
    pub(crate) evidence: &'a str,
    pub(crate) percent: Option<u64>,
}

/// One fault.
pub(crate) struct Fault {
    name: &'static str,
    when: fn(&Moment<'_>) -> bool,
    what: fn(&Rack, &Programs, &MachineSpec) -> Result<()>,
    happened: bool,
}

/// All of them, in the order in which their moments come.
pub(crate) fn all() -> Vec<Fault> {
    vec![
        Fault {
            name: "musterd killed while commissioning",
            when: |moment| {
                moment.headline.starts_with("commissioning") && moment.headline.contains("BOOTING")
            },
            what: |rack, programs, _| programs.kill_daemon(rack),
            happened: false,
        },
        Fault {
            name: "muster-rackd killed while the image streams",
            when: |moment| {
                moment.evidence.starts_with("unpack") && moment.percent.is_some_and(|percent| percent > 5)
            },
            what: |rack, programs, _| programs.kill_agent(rack),
            happened: false,
        },
        Fault {
            name: "power cut in mid-write",
            when: |moment| {
                moment.evidence.starts_with("unpack") && moment.percent.is_some_and(|percent| percent > 40)
            },
            what: |rack, _, spec| {
                let words = [spec.name.as_str(), "set", "power", "0"].map(str::to_owned);
                chassis::ask(&rack.socket(), &words).map(drop)
            },
            happened: false,
        },
        Fault {
            name: "Postgres stopped at once at first boot",
            when: |moment| moment.headline.contains("FIRST_BOOT"),
            what: |rack, programs, _| programs.stop_postgres(rack),
            happened: false,
        },
    ]
}

impl Fault {
    /// Strikes if its moment has come and it has not yet.
    pub(crate) fn strike(
        &mut self,
        moment: &Moment<'_>,
        rack: &Rack,
        programs: &Programs,
        spec: &MachineSpec,
    ) -> Result<()> {
        if self.happened || !(self.when)(moment) {
            return Ok(());
        }
        println!("  fault: {}", self.name);
        self.happened = true;
        (self.what)(rack, programs, spec)
    }
}

/// A fault that never struck proves nothing.
pub(crate) fn all_happened(faults: &[Fault]) -> Result<()> {
    match faults.iter().find(|fault| !fault.happened) {
        None => Ok(()),
        Some(fault) => Err(RigError::Disproved(format!(
            "a fault's moment never came: {}",
            fault.name
        ))),
    }
}
