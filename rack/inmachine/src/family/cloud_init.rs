//! cloud-init's NoCloud seed.
//!
//! Ours goes into the meta-data (name, keys), the fleet's user-data stays byte for byte what it is: a
//! script, MIME parts or `#cloud-config`. The network is netplan's, so cloud-init is told to keep away
//! from it.

use super::Entry;
use rack_api::job::Deploy;

const SEED: &str = "/var/lib/cloud/seed/nocloud";

/// Renders the seed. The user-data may hold secrets: only the root reads it.
pub(super) fn render(deploy: &Deploy) -> [Entry; 3] {
    let mut meta_data = format!(
        "instance-id: \"{}\"\nlocal-hostname: \"{}\"\n",
        deploy.binding, deploy.hostname
    );
    if !deploy.ssh_keys.is_empty() {
        meta_data.push_str("public-keys:\n");
        for key in &deploy.ssh_keys {
            // A JSON string is a YAML string.
            meta_data.push_str(&format!("  - {}\n", serde_json::Value::from(key.as_str())));
        }
    }
    let user_data = deploy.user_data.clone();
    [
        Entry::file(&format!("{SEED}/meta-data"), 0o600, meta_data),
        Entry::file(
            &format!("{SEED}/user-data"),
            0o600,
            user_data.unwrap_or_else(|| "#cloud-config\n{}\n".to_owned()),
        ),
        Entry::file(
            "/etc/cloud/cloud.cfg.d/99-muster-network.cfg",
            0o644,
            "# The network is configured by /etc/netplan/50-muster.yaml.\nnetwork: {config: disabled}\n"
                .to_owned(),
        ),
    ]
}
