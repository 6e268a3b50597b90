//! The families of installed systems: what each wants written so that it boots, is reached and says
//! so. Pure: a deployment in, files out.
//!
//! A family is one file that picks among the renderers beside it.

mod cloud_init;
mod debian;
mod esp_copies;
mod fstab;
mod grub;
mod hosts;
mod mdadm;
mod netplan;
mod phone_home_unit;

pub use grub::{Kernel, newest_kernel};

use crate::phone_home::PhoneHomeConfig;
use rack_api::job::{Deploy, ImageRef};

/// A family that this agent can configure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Debian with cloud-init, netplan and GRUB: `debian-12`.
    Debian,
}

/// Something to put into the new system's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where, absolute as the new system sees it.
    pub path: String,
    /// What.
    pub body: EntryBody,
}

/// What is put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryBody {
    /// A file.
    File {
        /// Its permissions.
        mode: u32,
        /// Its contents.
        contents: String,
    },
    /// A symbolic link.
    Link {
        /// Where it leads.
        to: String,
    },
}

impl Family {
    /// The family of an image, if this agent knows it.
    pub fn of(image: &ImageRef) -> Option<Self> {
        match image.family.as_str() {
            "debian-12" => Some(Self::Debian),
            _ => None,
        }
    }

    /// Paths that an image of this family must have for what is written to be of use.
    pub fn needs(self, deploy: &Deploy) -> Vec<&'static str> {
        match self {
            Self::Debian => debian::needs(deploy),
        }
    }

    /// Everything to put into the tree, beside the boot loader's own files.
    pub fn render(self, deploy: &Deploy, home: &PhoneHomeConfig) -> Vec<Entry> {
        match self {
            Self::Debian => debian::render(deploy, home, self.loader_id()),
        }
    }

    /// The boot loader's first configuration. The system's own tools write the next one.
    pub fn boot_config(self, deploy: &Deploy, kernel: &Kernel) -> Entry {
        match self {
            Self::Debian => grub::boot_config(deploy, kernel, "Debian"),
        }
    }

    /// The name of the firmware's boot entry and of the loader's directory on the EFI partition.
    pub fn loader_id(self) -> &'static str {
        match self {
            Self::Debian => "debian",
        }
    }
}

impl Entry {
    fn file(path: &str, mode: u32, contents: String) -> Self {
        Self {
            path: path.to_owned(),
            body: EntryBody::File { mode, contents },
        }
    }

    fn link(path: &str, to: &str) -> Self {
        Self {
            path: path.to_owned(),
            body: EntryBody::Link { to: to.to_owned() },
        }
    }
}
