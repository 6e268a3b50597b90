//! Lost, doubled, late and damaged packets between our driver and a BMC.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rack_bmc::{Bmc, Power, PowerWanted, Secret, ipmi};

use super::relay::{Relay, Weather};
use testbed_bmc::{Double, Manners};

use super::sim::{Sim, quick};

fn bmc(address: SocketAddr) -> Arc<dyn Bmc> {
    let options = ipmi::Options {
        answer_max: Duration::from_secs(2),
        operation_max: Duration::from_secs(30),
        ..quick()
    };
    ipmi::connect(address, "admin", Secret::new("secret"), options).unwrap()
}

async fn on_and_off(bmc: &dyn Bmc) {
    bmc.set_power(PowerWanted::On).await.unwrap();
    assert_eq!(bmc.power().await.unwrap(), Power::On);
    bmc.set_power(PowerWanted::Off).await.unwrap();
    assert_eq!(bmc.power().await.unwrap(), Power::Off);
}

#[tokio::test]
async fn lost_requests_are_made_up_for() {
    let sim = Sim::start();
    let relay = Relay::start(sim.address, Weather::Loses, Weather::Fair);
    on_and_off(&*bmc(relay.address)).await;
    assert_eq!(sim.changes(), ["power 1", "power 0"]);
}

#[tokio::test]
async fn lost_answers_do_not_repeat_power_commands() {
    let sim = Sim::start();
    let relay = Relay::start(sim.address, Weather::Fair, Weather::Loses);
    on_and_off(&*bmc(relay.address)).await;
    assert_eq!(sim.changes(), ["power 1", "power 0"]);
}

#[tokio::test]
async fn late_and_doubled_packets_are_taken_once() {
    let sim = Sim::start();
    let relay = Relay::start(sim.address, Weather::Fair, Weather::Echoes);
    let bmc = bmc(relay.address);
    for _ in 0..5 {
        on_and_off(&*bmc).await;
    }
    assert_eq!(sim.changes(), ["power 1", "power 0"].repeat(5));
}

#[tokio::test]
async fn damaged_answers_change_nothing() {
    let double = Double::start(Manners::default()).unwrap();
    let relay = Relay::start(double.address(), Weather::Fair, Weather::DamagesSessions);
    on_and_off(&*bmc(relay.address)).await;
    assert_eq!(double.state().count(0x00, 0x02), 2);
}

#[tokio::test]
async fn a_random_number_drawn_twice_costs_one_more_handshake() {
    let double = Double::start(Manners::default()).unwrap();
    let relay = Relay::start(double.address(), Weather::DoublesFirstRakp1, Weather::Fair);
    assert_eq!(bmc(relay.address).power().await.unwrap(), Power::Off);
    assert_eq!(double.state().opened.len(), 1);
}
