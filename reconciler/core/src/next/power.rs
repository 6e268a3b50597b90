//! Power: a cycle is off, seen off, then on: three decisions, never one order.

use super::{Case, Decision, Need, retry};
use crate::condition::{Condition, Wait};
use crate::facts::OrderSeen;
use rack_api::fact::{BmcFaultKind, PowerSeen};
use rack_api::order::{Action, PowerWanted};
use schema_ids::Timestamp;

impl Case<'_> {
    /// The power state as last told. A machine that was heard after it was told to be off is on, whether it
    /// booted, or its in-machine agent or its installed system spoke: a BMC is asked every few seconds only, and
    /// a short job may be over before it is asked again.
    pub(super) fn power_seen(&self) -> PowerSeen {
        match &self.facts.power {
            None => PowerSeen::Unknown,
            Some(told) if told.value == PowerSeen::Off && self.facts.heard() > Some(told.since) => {
                PowerSeen::On
            }
            Some(told) => told.value,
        }
    }

    /// Whether we can switch it at all.
    pub(super) fn has_bmc(&self) -> bool {
        self.machine
            .bmc
            .as_ref()
            .is_some_and(|bmc| bmc.driver != "manual")
    }

    /// Power-cycles the machine after the order of this number; gives the time at which it was on
    /// again. Booting may be seen before the BMC says so, and counts.
    pub(super) fn cycled_after(&self, number: u32, cause: &str, need: &Need) -> Result<Timestamp, Decision> {
        let order = self.power_order_after(number);
        let Some(order) = order else {
            return Err(match self.power_seen() {
                PowerSeen::Off => self.switch(PowerWanted::On, cause, need),
                PowerSeen::On | PowerSeen::Unknown => self.switch(PowerWanted::Off, cause, need),
            });
        };
        if order.power() == Some(PowerWanted::On) {
            return match self.carried_out(order, cause, need) {
                Ok(on) => Ok(on),
                Err(decision) => self.boot_since(order.issued.at).ok_or(decision),
            };
        }
        self.carried_out(order, cause, need)?;
        Err(self.switch(PowerWanted::On, cause, need))
    }

    /// Switches the machine off after the order of this number; gives the time at which it was seen off.
    pub(super) fn off_after(&self, number: u32, cause: &str, need: &Need) -> Result<Timestamp, Decision> {
        match self.power_order_after(number) {
            Some(order) if order.power() != Some(PowerWanted::On) => self.carried_out(order, cause, need),
            _ => Err(self.switch(PowerWanted::Off, cause, need)),
        }
    }

    /// When the machine was last seen to boot from the network, if it began to after `after`: what is
    /// told of a boot comes in parts, the last of them when the boot is over.
    pub(super) fn boot_since(&self, after: Timestamp) -> Option<Timestamp> {
        let began = self.facts.boot_began.filter(|began| *began > after);
        let boot = self.facts.boot.as_ref();
        boot.filter(|_| began.is_some()).map(|seen| seen.since)
    }

    pub(super) fn switch(&self, wanted: PowerWanted, cause: &str, need: &Need) -> Decision {
        if let Err(silent) = self.power_clock() {
            return Decision::Wait(silent);
        }
        self.propose(Action::Power(wanted), cause, Some(need.clone()))
    }

    /// When the state that a power order wants was seen; repeats a failed order after a pause.
    pub(super) fn carried_out(
        &self,
        order: &OrderSeen,
        cause: &str,
        need: &Need,
    ) -> Result<Timestamp, Decision> {
        let wanted = order.power().unwrap_or(PowerWanted::Off);
        let state = match wanted {
            PowerWanted::On => PowerSeen::On,
            PowerWanted::Off | PowerWanted::SoftOff => PowerSeen::Off,
        };
        let at = order.issued.at;
        let told = self
            .facts
            .power
            .as_ref()
            .filter(|seen| seen.value == state && seen.since >= at);
        if let Some(seen) = order.done.or(told.map(|seen| seen.since)) {
            return Ok(seen);
        }
        if let Some((failed, step, error)) = &order.failed {
            let condition = self.bmc_condition();
            let retry = failed.plus(retry::power_pause(condition, self.failures(wanted)));
            if self.now >= retry {
                return Err(self.switch(wanted, cause, need));
            }
            let evidence = format!("{step}: {error}");
            return Err(Decision::Wait(
                Wait::new(condition, *failed, evidence).retry_at(retry),
            ));
        }
        let clock = self.power_clock().map_err(Decision::Wait)?;
        let words = match wanted {
            PowerWanted::On => "switching on",
            PowerWanted::Off | PowerWanted::SoftOff => "switching off",
        };
        let wait = Wait::new(Condition::Powering, at, words);
        if wait.limit.is_some_and(|limit| clock.elapsed(at) > limit) {
            return Err(self.switch(wanted, cause, need));
        }
        Err(Decision::Wait(wait))
    }

    pub(super) fn bmc_condition(&self) -> Condition {
        let fault = self.facts.bmc_fault.as_ref();
        fault.map_or(Condition::BmcRefused, |seen| bmc_condition(seen.value.0))
    }

    /// How many power orders for this state failed in a row.
    pub(super) fn failures(&self, wanted: PowerWanted) -> u32 {
        let failed = self
            .orders()
            .rev()
            .filter(|seen| seen.power().is_some())
            .take_while(|seen| seen.power() == Some(wanted) && seen.failed.is_some())
            .count();
        u32::try_from(failed).unwrap_or(u32::MAX)
    }
}

/// What a machine waits on whose BMC is like this.
pub(crate) fn bmc_condition(fault: BmcFaultKind) -> Condition {
    match fault {
        BmcFaultKind::Silent => Condition::BmcSilent,
        BmcFaultKind::Credentials => Condition::BmcCredentials,
        BmcFaultKind::Refused | BmcFaultKind::Garbled => Condition::BmcRefused,
    }
}
