//! Whom Postgres runs as: it refuses root, so root lends it the package's user.

use super::ClusterError;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

/// The user that Debian's package makes.
const PACKAGE_USER: &str = "postgres";

/// Where programs that we start find theirs.
const PROGRAM_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Whom Postgres runs as.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) name: String,
    uid: u32,
    gid: u32,
    /// Whether we are root and lend it another user.
    lent: bool,
}

impl Owner {
    /// The package's user for root, the caller for anyone else.
    pub(super) fn find() -> Result<Self, ClusterError> {
        let caller = rustix::process::geteuid();
        let lent = caller.is_root();
        let number = caller.as_raw().to_string();
        let passwd = Path::new("/etc/passwd");
        let text = std::fs::read_to_string(passwd).map_err(|source| ClusterError::Directory {
            path: passwd.to_owned(),
            source,
        })?;
        // passwd(5): name:password:uid:gid:…
        let found = text.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, uid) = (fields.next()?, fields.nth(1)?);
            let ours = if lent { name == PACKAGE_USER } else { uid == number };
            ours.then(|| Some((name.to_owned(), uid.parse().ok()?, fields.next()?.parse().ok()?)))
                .flatten()
        });
        let wanted = if lent { PACKAGE_USER.to_owned() } else { number };
        let (name, uid, gid) = found.ok_or(ClusterError::NoUser { user: wanted })?;
        Ok(Self { name, uid, gid, lent })
    }

    /// A command that runs as this user with nothing of our environment; with `dies_with_us` it gets
    /// SIGINT when the thread that starts it ends, which is a fast shutdown to Postgres.
    pub(super) fn command(&self, program: &Path, dies_with_us: bool) -> Command {
        let mut command = Command::new("setpriv");
        if self.lent {
            command
                .arg(format!("--reuid={}", self.uid))
                .arg(format!("--regid={}", self.gid))
                .arg("--clear-groups");
        }
        if dies_with_us {
            command.args(["--pdeathsig", "INT"]);
        }
        command
            .arg("--")
            .arg(program)
            .env_clear()
            .env("PATH", PROGRAM_PATH)
            .env("LC_ALL", "C")
            .current_dir("/");
        command
    }

    /// Makes a directory of this user's own.
    pub(super) fn own_directory(&self, path: &Path) -> Result<(), ClusterError> {
        let failed = |source| ClusterError::Directory {
            path: path.to_owned(),
            source,
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed)?;
        if self.lent {
            chown(path, Some(self.uid), Some(self.gid)).map_err(failed)?;
        }
        Ok(())
    }

    /// Makes the directory searchable for this user; its parents must be so already.
    pub(super) fn let_in(&self, directory: &Path) -> Result<(), ClusterError> {
        if !self.lent {
            return Ok(());
        }
        let failed = |source| ClusterError::Directory {
            path: directory.to_owned(),
            source,
        };
        let directory = directory.canonicalize().map_err(failed)?;
        for path in directory.ancestors() {
            let metadata = path.metadata().map_err(failed)?;
            if self.may_search(&metadata) {
                continue;
            }
            if path != directory {
                return Err(ClusterError::NotSearchable {
                    user: self.name.clone(),
                    path: path.to_owned(),
                });
            }
            let mode = metadata.mode() | 0o001;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
        }
        Ok(())
    }

    /// By mode alone: `--clear-groups` leaves the user its own group.
    fn may_search(&self, metadata: &std::fs::Metadata) -> bool {
        let mode = metadata.mode();
        let bit = if metadata.uid() == self.uid {
            0o100
        } else if metadata.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        mode & bit != 0
    }
}
