//! What reads a user-data file can read it: M0510, M0513, M0514.
//!
//! A machine tells of such a mistake only after it was installed, on its console. The text is read as cloud-init
//! or Ignition reads it, as far as that goes without a machine: what sort of document it is, whether it is one,
//! and whether its first level says what the reader knows.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic},
    kinds::image::UserDataMechanism,
    source::Text,
    span::Span,
    suggest::nearest,
};
use saphyr_parser::{Event, Parser};
use std::collections::BTreeSet;

/// First lines by which cloud-init knows what a text is, beside `#cloud-config`
/// (cloud-init documentation, "User-data formats").
const FORMATS: [&str; 8] = [
    "#!",
    "#include",
    "#cloud-boothook",
    "#cloud-config-archive",
    "#cloud-config-jsonp",
    "#part-handler",
    "## template: jinja",
    "Content-Type:",
];

/// What stands on the first level of a cloud-config (cloud-init documentation, "Module reference"), sorted.
const KEYS: [&str; 102] = [
    "allow_public_ssh_keys",
    "ansible",
    "apk_repos",
    "apt",
    "apt_pipelining",
    "apt_reboot_if_required",
    "apt_update",
    "apt_upgrade",
    "authkey_hash",
    "autoinstall",
    "bootcmd",
    "byobu_by_default",
    "ca-certs",
    "ca_certs",
    "chef",
    "chpasswd",
    "cloud_config_modules",
    "cloud_final_modules",
    "cloud_init_modules",
    "create_hostname_file",
    "datasource",
    "datasource_list",
    "device_aliases",
    "disable_ec2_metadata",
    "disable_root",
    "disable_root_opts",
    "disk_setup",
    "drivers",
    "fan",
    "final_message",
    "fqdn",
    "fs_setup",
    "groups",
    "growpart",
    "grub-dpkg",
    "grub_dpkg",
    "hostname",
    "keyboard",
    "landscape",
    "launch-index",
    "locale",
    "locale_configfile",
    "lxd",
    "manage_etc_hosts",
    "manage_resolv_conf",
    "mcollective",
    "merge_how",
    "merge_type",
    "migrate",
    "mount_default_fields",
    "mounts",
    "network",
    "no_ssh_fingerprints",
    "ntp",
    "output",
    "package_reboot_if_required",
    "package_update",
    "package_upgrade",
    "packages",
    "password",
    "phone_home",
    "power_state",
    "prefer_fqdn_over_hostname",
    "preserve_hostname",
    "puppet",
    "random_seed",
    "reporting",
    "resize_rootfs",
    "resolv_conf",
    "rh_subscription",
    "rpi",
    "rsyslog",
    "runcmd",
    "salt_minion",
    "snap",
    "spacewalk",
    "ssh",
    "ssh_authorized_keys",
    "ssh_deletekeys",
    "ssh_fp_console_blacklist",
    "ssh_genkeytypes",
    "ssh_import_id",
    "ssh_key_console_blacklist",
    "ssh_keys",
    "ssh_publish_hostkeys",
    "ssh_pwauth",
    "ssh_quiet_keygen",
    "swap",
    "system_info",
    "timezone",
    "ubuntu_advantage",
    "ubuntu_pro",
    "updates",
    "user",
    "users",
    "vendor_data",
    "version",
    "wireguard",
    "write_files",
    "yum_repo_dir",
    "yum_repos",
    "zypper",
];

/// Of these, the ones that are lists.
const LISTS: [&str; 9] = [
    "apk_repos",
    "bootcmd",
    "fs_setup",
    "mounts",
    "packages",
    "runcmd",
    "ssh_authorized_keys",
    "ssh_import_id",
    "write_files",
];

/// Errors told of one file: the rest would be echoes of the first.
const TOLD_MAX: usize = 5;

/// Looks at each user-data file once, for each sort of reader.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut seen: BTreeSet<(&str, UserDataMechanism)> = BTreeSet::new();
    for (name, deployment) in &subject.draft.deployments {
        let image = subject.draft.images.get(&deployment.image.name);
        let Some((path, image)) = deployment.user_data.as_ref().zip(image) else {
            continue;
        };
        let Some(bytes) = subject.files.get(path.as_str()) else {
            continue;
        };
        if !seen.insert((path.as_str(), image.user_data)) {
            continue;
        }
        let file = match std::str::from_utf8(bytes) {
            Ok(text) => File {
                text: Text::new(path.as_str(), text),
                used: &path.span,
            },
            Err(_) => continue,
        };
        let told = match image.user_data {
            UserDataMechanism::CloudInit => file.cloud_init(),
            UserDataMechanism::Ignition => file.ignition(),
            UserDataMechanism::None | UserDataMechanism::Autounattend => Vec::new(),
        };
        let object = format!("deployment.{name}");
        found.extend(told.into_iter().take(TOLD_MAX).map(|one| one.in_object(&object)));
    }
}

struct File<'f> {
    text: Text<'f>,
    /// Where a deployment names it.
    used: &'f Span,
}

impl File<'_> {
    fn error(&self, code: Code, title: String, span: &Span, label: &str) -> Diagnostic {
        Diagnostic::error(code, title, span, label).also(self.used, "used here")
    }

    fn cloud_init(&self) -> Vec<Diagnostic> {
        let first = self.text.line(1).trim_end();
        if first == "#cloud-config" {
            return self.cloud_config();
        }
        if FORMATS.iter().any(|format| first.starts_with(format)) {
            return Vec::new();
        }
        let span = self.text.span(0..first.len().max(1));
        let title = "cloud-init does not know what this is".to_owned();
        let diagnostic = self.error(
            Code::M0514,
            title,
            &span,
            "by its first line it knows, and this is none",
        );
        let is_yaml = self
            .text
            .text
            .lines()
            .any(|line| KEYS.iter().any(|key| line.starts_with(&format!("{key}:"))));
        vec![match is_yaml {
            true => diagnostic
                .help("a cloud-config begins with the line  #cloud-config")
                .fix(
                    Applicability::Maybe,
                    "put #cloud-config before it",
                    &self.text.span(0..0),
                    "#cloud-config\n",
                ),
            false => diagnostic.help("for example  #cloud-config  or  #!/bin/sh"),
        }]
    }

    /// The first level of a YAML document; what is beneath it is only read.
    fn cloud_config(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut depth = 0_usize;
        // On the first level keys and values alternate.
        let mut key: Option<(String, Span)> = None;
        for event in Parser::new_from_str(self.text.text) {
            let (event, place) = match event {
                Ok(event) => event,
                Err(error) => {
                    let span = self.at(error.marker().line(), error.marker().col(), 1);
                    let title = format!("this is not YAML: {}", error.info());
                    found.push(self.error(
                        Code::M0510,
                        title,
                        &span,
                        "cloud-init stops here, and does nothing of it",
                    ));
                    return found;
                }
            };
            let opens = matches!(event, Event::MappingStart(..) | Event::SequenceStart(..));
            let closes = matches!(event, Event::MappingEnd | Event::SequenceEnd);
            let is_list = matches!(event, Event::SequenceStart(..));
            if depth == 0 && (is_list || matches!(event, Event::Scalar(..))) {
                let span = self.at(place.start.line(), place.start.col(), 1);
                let title = "a cloud-config is a table of keys".to_owned();
                found.push(self.error(Code::M0510, title, &span, "this is none"));
                return found;
            }
            if depth == 1 && !closes {
                match (key.take(), &event) {
                    (None, Event::Scalar(text, ..)) => {
                        let width = text.chars().count();
                        let span = self.at(place.start.line(), place.start.col(), width);
                        found.extend(self.unknown(text, &span));
                        key = Some((text.to_string(), span));
                    }
                    (Some((name, span)), _) if LISTS.contains(&name.as_str()) && !is_list => {
                        let title = format!("`{name}` is a list");
                        found.push(
                            self.error(Code::M0510, title, &span, "cloud-init ignores it otherwise")
                                .help(format!("{name}:  and beneath it lines that begin with  - ")),
                        );
                    }
                    _ => {}
                }
            }
            if opens {
                depth += 1;
            } else if closes {
                depth = depth.saturating_sub(1);
            }
        }
        found
    }

    fn unknown(&self, key: &str, span: &Span) -> Option<Diagnostic> {
        if KEYS.contains(&key) || key.starts_with("x-") {
            return None;
        }
        let title = format!("cloud-init knows no `{key}`");
        let diagnostic =
            Diagnostic::warning(Code::M0513, title, span, "it would be ignored").also(self.used, "used here");
        Some(match nearest(key, KEYS.into_iter()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic,
        })
    }

    fn ignition(&self) -> Vec<Diagnostic> {
        let value: serde_json::Value = match serde_json::from_str(self.text.text) {
            Ok(value) => value,
            Err(error) => {
                let span = self.at(error.line(), error.column().saturating_sub(1), 1);
                let title = "this is not JSON".to_owned();
                return vec![self.error(
                    Code::M0510,
                    title,
                    &span,
                    "Ignition stops here, and the machine does not start",
                )];
            }
        };
        let version = value.get("ignition").and_then(|ignition| ignition.get("version"));
        if version.is_some_and(serde_json::Value::is_string) {
            return Vec::new();
        }
        let title = "Ignition does not know what this is".to_owned();
        vec![
            self.error(
                Code::M0514,
                title,
                &self.text.span(0..1),
                "it has no `ignition.version`",
            )
            .help("for example  {\"ignition\": {\"version\": \"3.4.0\"}}"),
        ]
    }

    /// A place by its line from 1, its column from 0, and a number of characters on that line.
    fn at(&self, line: usize, column: usize, width: usize) -> Span {
        let number = u32::try_from(line).unwrap_or(u32::MAX);
        let start = self.text.start_of_line(number);
        let text = self.text.line(number);
        let bytes = |count: usize| text.chars().take(count).map(char::len_utf8).sum::<usize>();
        self.text
            .span(start + bytes(column)..start + bytes(column.saturating_add(width)))
    }
}
