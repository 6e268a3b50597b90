//! The BMC in a script: `power on`, `switched`, `bmc silent`.

use super::Stage;
use rack_api::fact::{BmcFaultKind, FactBody, PowerSeen};
use rack_api::order::{Action, Lane, PowerWanted};

impl Stage {
    /// What the BMC does.
    pub(super) fn bmc(&mut self, verb: &str, rest: &str) {
        let machine = self.id;
        match verb {
            "power" => {
                let power = match rest {
                    "on" => PowerSeen::On,
                    "off" => PowerSeen::Off,
                    _ => PowerSeen::Unknown,
                };
                self.tell(FactBody::Power { machine, power });
            }
            "switched" => self.switched(),
            "bmc" => {
                let fault = match rest {
                    "silent" => BmcFaultKind::Silent,
                    "credentials" => BmcFaultKind::Credentials,
                    _ => BmcFaultKind::Refused,
                };
                self.tell(FactBody::BmcFault {
                    machine,
                    fault,
                    // As drivers begin what they say.
                    detail: format!("BMC 10.77.0.11:623 {rest}"),
                });
                let order = self.reference(Lane::Power);
                self.tell(FactBody::OrderFailed {
                    order,
                    step: "power".to_owned(),
                    error: format!("BMC 10.77.0.11:623 {rest}"),
                });
            }
            _ => panic!("a BMC does no such thing as {verb}"),
        }
    }

    /// The newest power order was carried out.
    fn switched(&mut self) {
        let issued = self
            .newest(Lane::Power)
            .expect("no power order was given")
            .order
            .clone();
        let on = matches!(issued.action, Action::Power(PowerWanted::On));
        let power = if on { PowerSeen::On } else { PowerSeen::Off };
        self.tell(FactBody::Power {
            machine: self.id,
            power,
        });
        self.tell(FactBody::OrderDone {
            order: issued.reference(),
        });
    }
}
