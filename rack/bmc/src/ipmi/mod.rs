//! IPMI 2.0 over the LAN: the driver. It speaks RMCP+ with the suites of [`Suite`] and nothing weaker.
//!
//! Each operation opens a session, does its work and closes the session: BMCs have few, and one kept open dies
//! with the next BMC reset. Messages come from `ipmi-rs-core`; the session is ours, sans-I/O in `handshake` and
//! `session`, on UDP in `link`, `open` and `client`.
//!
//! It never sends a power command twice without having read the power in between, and never reads boot flags back.

mod client;
mod command;
mod handshake;
mod link;
mod message;
mod open;
mod packet;
mod session;
mod suite;
mod window;

#[cfg(test)]
mod vectors;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Bmc, BmcFault, BmcFuture, BootOverride, Guid, Identity, Power, PowerWanted, Secret};

use client::Client;
use command::{ChassisControl, ChassisStatus, DeviceId, SetBootOption, SystemGuid};
use handshake::Login;
use link::Link;
use open::Limits;

pub use suite::Suite;

/// The UDP port of IPMI (IPMI 2.0 §13.1.2).
pub const PORT: u16 = 623;

/// IPMI 2.0 §22.30: sixteen bytes of user name, twenty of password and of K_g.
const USER_MAX: usize = 16;
const KEY_MAX: usize = 20;

/// A slow board takes 1 to 3 s for each of the ten or so answers of an operation.
const OPERATION_MAX: Duration = Duration::from_secs(30);
/// A board occupied with its host's power answers after up to 8 s.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A power command is repeated once after a look at the power; what two did not do, a third will not.
const POWER_COMMANDS_MAX: u8 = 2;

/// What a BMC may need set apart from the defaults.
#[derive(Debug, Clone)]
pub struct Options {
    /// The suites accepted, in order of preference.
    pub suites: Vec<Suite>,
    /// K_g, the BMC's own key, where one is set; at most 20 bytes.
    pub kg: Option<Secret>,
    /// The longest an operation may take, but for closing its session (2 s at most). A queue ends it after 45 s.
    pub operation_max: Duration,
    /// The longest wait for one answer.
    pub answer_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            suites: Suite::ALL.to_vec(),
            kg: None,
            operation_max: OPERATION_MAX,
            answer_max: ANSWER_MAX,
        }
    }
}

/// The BMC at `address`. Sends nothing yet; fails when IPMI cannot carry the credentials.
pub fn connect(
    address: SocketAddr,
    user: &str,
    password: Secret,
    options: Options,
) -> Result<Arc<dyn Bmc>, BmcFault> {
    let too_long = |reason| {
        Err(BmcFault::BadCredentials {
            bmc: address.to_string(),
            reason,
        })
    };
    if user.len() > USER_MAX {
        return too_long("IPMI carries at most 16 bytes of user name");
    }
    if password.reveal().len() > KEY_MAX {
        return too_long("IPMI carries at most 20 bytes of password");
    }
    if options.kg.as_ref().is_some_and(|kg| kg.reveal().len() > KEY_MAX) {
        return too_long("IPMI carries at most 20 bytes of K_g");
    }
    let login = Login {
        user: user.to_owned(),
        password,
        kg: options.kg.clone(),
    };
    Ok(Arc::new(Ipmi {
        address,
        name: address.to_string(),
        login,
        options,
        agreed: Mutex::new(None),
    }))
}

/// A BMC that speaks IPMI.
struct Ipmi {
    address: SocketAddr,
    name: String,
    login: Login,
    options: Options,
    /// The suite of the last session, which spares the next one the questions before it.
    agreed: Mutex<Option<Suite>>,
}

impl Ipmi {
    async fn open(&self) -> Result<Client, BmcFault> {
        let deadline = Instant::now() + self.options.operation_max;
        let limits = Limits {
            deadline,
            answer_max: self.options.answer_max,
        };
        let link = Link::open(self.address).await?;
        // Taken out, so that whatever goes wrong with it is not tried first again.
        let agreed = self.agreed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut opened = Err(BmcFault::NoCommonCipher { bmc: link.bmc() });
        if let Some(suite) = agreed {
            opened = open::session(&link, &self.login, &[suite], limits).await;
        }
        // Also when the BMC no longer takes what it took before: its settings or firmware may have changed.
        if matches!(opened, Err(BmcFault::NoCommonCipher { .. })) {
            let suites = open::candidates(&link, &self.options.suites, limits).await?;
            opened = open::session(&link, &self.login, &suites, limits).await;
        }
        let (session, suite, role) = opened?;
        *self.agreed.lock().unwrap_or_else(PoisonError::into_inner) = Some(suite);
        let mut client = Client::new(link, session, limits);
        match client.rise(role).await {
            Ok(()) => Ok(client),
            Err(fault) => client.finish(Err(fault)).await,
        }
    }
}

impl Bmc for Ipmi {
    fn address(&self) -> &str {
        &self.name
    }

    fn power(&self) -> BmcFuture<'_, Power> {
        Box::pin(async {
            let mut client = self.open().await?;
            let power = client.call(ChassisStatus).await;
            client.finish(power).await
        })
    }

    fn set_power(&self, wanted: PowerWanted) -> BmcFuture<'_, ()> {
        Box::pin(async move {
            let mut client = self.open().await?;
            let done = bring(&mut client, wanted).await;
            client.finish(done).await
        })
    }

    fn set_boot_device(&self, boot: BootOverride) -> BmcFuture<'_, ()> {
        Box::pin(async move {
            let mut client = self.open().await?;
            let done = override_boot(&mut client, boot).await;
            client.finish(done).await
        })
    }

    fn identify(&self) -> BmcFuture<'_, Identity> {
        Box::pin(async {
            let mut client = self.open().await?;
            let identity = identity(&mut client).await;
            client.finish(identity).await
        })
    }
}

/// Asks for a power state unless it is there. After silence the power is read, because the command may have been
/// carried out: a BMC slow to answer carries out each packet it heard.
async fn bring(client: &mut Client, wanted: PowerWanted) -> Result<(), BmcFault> {
    // A second press of the button may mean something else to an operating system than the first.
    let commands_max = match wanted {
        PowerWanted::SoftOff => 1,
        PowerWanted::On | PowerWanted::Off => POWER_COMMANDS_MAX,
    };
    let mut sent = 0;
    let mut answer = Ok(());
    while !wanted.reached(client.call(ChassisStatus).await?) {
        if sent == commands_max {
            return answer;
        }
        sent += 1;
        answer = client.call(ChassisControl(wanted)).await;
        if !matches!(answer, Err(BmcFault::TimedOut { .. })) {
            return answer;
        }
    }
    Ok(())
}

async fn override_boot(client: &mut Client, boot: BootOverride) -> Result<(), BmcFault> {
    match client.call(SetBootOption::KeepFlags).await {
        // Many boards lack the parameter; their flags then lapse a minute from now, which costs the override only.
        Ok(()) | Err(BmcFault::Refused { .. }) => {}
        Err(fault) => return Err(fault),
    }
    client.call(SetBootOption::Flags(boot)).await
}

async fn identity(client: &mut Client) -> Result<Identity, BmcFault> {
    let device = client.call(DeviceId).await?;
    let guid = match client.call(SystemGuid).await {
        Ok(guid) => guid,
        Err(BmcFault::Refused { .. } | BmcFault::BadReply { .. }) => client.guid(),
        Err(fault) => return Err(fault),
    };
    Ok(Identity {
        guid: Guid::new(guid),
        manufacturer: device.manufacturer_id,
        product: device.product_id,
        firmware: format!("{}.{:02}", device.major_fw_revision, device.minor_fw_revision),
    })
}
