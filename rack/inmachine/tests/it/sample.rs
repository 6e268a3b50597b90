//! Deployments from `cases/deploy`, and the small things that go with one.

use rack_api::job::{Deploy, JobRef};
use rack_inmachine::phone_home::PhoneHomeConfig;
use schema_ids::{BindingId, Generation, MachineId, Uuid};
use std::path::Path;

pub(crate) fn deploy(name: &str) -> Deploy {
    serde_json::from_str(&text(name)).unwrap()
}

pub(crate) fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cases/deploy/{name}.json"));
    std::fs::read_to_string(path).unwrap()
}

pub(crate) fn job() -> JobRef {
    JobRef {
        machine: MachineId(uuid(1)),
        generation: Generation(7),
        attempt: 1,
    }
}

pub(crate) fn home(server: &str) -> PhoneHomeConfig {
    PhoneHomeConfig {
        server: server.to_owned(),
        token: "phone-home-token".to_owned(),
        machine: MachineId(uuid(1)),
        binding: BindingId(uuid(2)),
    }
}

pub(crate) fn uuid(number: u8) -> Uuid {
    let mut bytes = [0; 16];
    bytes[15] = number;
    Uuid::from_bytes(bytes)
}
