//! The Debian mirror the host itself uses, as apt sees it, whichever way its sources are written.
//!
//! Only the host's own release and its security suite are used, and of them only `main`. No mirror
//! is ever assumed: a host without package lists gets told to fetch them. The mirror's name goes
//! into the image's own sources, never into a message.

use super::error::BuildError;
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// Fields of one index, separated by blanks, which none of them can hold (apt-get(8), indextargets).
const FORMAT: &str =
    "$(CREATED_BY) $(ARCHITECTURE) $(COMPONENT) $(CODENAME) $(RELEASE) $(REPO_URI) $(SITE) $(FILENAME)";

/// Where packages come from, and how fresh that is.
#[derive(Debug)]
pub(super) struct Mirror {
    codename: String,
    lines: BTreeSet<String>,
    hosts: BTreeSet<String>,
    week: i64,
    proxy: Option<String>,
}

impl Mirror {
    /// Asks the host's apt, and reads the package lists' own dates; no network.
    ///
    /// # Errors
    /// [`BuildError::NoCodename`], [`BuildError::NoPackageLists`], or a file or apt that cannot be used.
    pub(super) fn of_host() -> Result<Self, BuildError> {
        let path = "/etc/os-release";
        let release = fs::read_to_string(path).map_err(BuildError::file("read", path))?;
        let codename = codename_in(&release).ok_or(BuildError::NoCodename)?;
        let targets = said("apt-get", &["indextargets", "--format", FORMAT])?;
        let mirror = Self::from_targets(codename, &targets, &date_of_list).ok_or_else(|| {
            BuildError::NoPackageLists {
                codename: codename.to_owned(),
            }
        })?;
        let proxy = said("apt-config", &["dump", "--format", "%v", "Acquire::http::Proxy"])?;
        let proxy = Some(proxy).filter(|proxy| proxy.starts_with("http"));
        Ok(Self { proxy, ..mirror })
    }

    /// `date` gives the day number of the Release file beside a package list.
    pub(super) fn from_targets(
        codename: &str,
        targets: &str,
        date: &dyn Fn(&str, &str) -> Option<i64>,
    ) -> Option<Self> {
        let security = format!("{codename}-security");
        let (mut lines, mut hosts, mut newest) = (BTreeSet::new(), BTreeSet::new(), None);
        for target in targets.lines() {
            let fields: Vec<_> = target.splitn(8, ' ').collect();
            let [created_by, arch, component, suite, release, uri, site, list] = fields[..] else {
                continue;
            };
            let wanted = suite == codename || suite == security;
            if (created_by, arch, component) != ("Packages", "amd64", "main") || !wanted {
                continue;
            }
            newest = newest.max(date(list, release));
            lines.insert(format!("deb {uri} {release} main"));
            hosts.insert(host_in(site).to_owned());
        }
        // The Monday-based weeks that ISO 8601 counts; day 0, 1970-01-01, was a Thursday.
        let week = (newest? + 3).div_euclid(7);
        Some(Self {
            codename: codename.to_owned(),
            lines,
            hosts,
            week,
            proxy: None,
        })
    }

    /// The host's release, for example `bookworm`.
    pub(super) fn codename(&self) -> &str {
        &self.codename
    }

    /// Lines of a sources.list(5).
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// The proxy through which the host's apt reaches it, if any.
    pub(super) fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// The names to keep out of messages.
    pub(super) fn hosts(&self) -> Vec<String> {
        self.hosts.iter().cloned().collect()
    }

    /// The number of the week in which the newest of the suites was published. An image is not older
    /// than the security suite by more than that.
    pub(super) fn week(&self) -> i64 {
        self.week
    }
}

/// What a program of apt prints; both read local files only.
fn said(tool: &'static str, arguments: &[&str]) -> Result<String, BuildError> {
    let output = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let output = output.map_err(|source| BuildError::Start { tool, source })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn codename_in(os_release: &str) -> Option<&str> {
    let value = os_release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(value.trim_matches('"')).filter(|codename| !codename.is_empty())
}

fn host_in(site: &str) -> &str {
    let rest = site.split_once("://").map_or(site, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// The Release file lies beside the list, under the same name as far as the suite.
fn date_of_list(list: &str, release: &str) -> Option<i64> {
    let suite = format!("_dists_{}_", release.replace('/', "_"));
    let stem = &list[..list.find(&suite)? + suite.len()];
    ["InRelease", "Release"]
        .iter()
        .find_map(|name| fs::read_to_string(Path::new(&format!("{stem}{name}"))).ok())
        .and_then(|text| {
            text.lines()
                .find_map(|line| line.strip_prefix("Date: "))
                .and_then(day_in)
        })
}

/// Days since 1970-01-01 of `Sat, 11 Jul 2026 10:16:37 UTC` (the form the Debian repository format
/// prescribes for `Date`).
fn day_in(date: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = date.split_whitespace().skip(1);
    let day: i64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = i64::try_from(MONTHS.iter().position(|month| *month == name)?).ok()?;
    let year: i64 = words.next()?.parse().ok()?;
    // Years begin in March, so that the leap day is the last of its year.
    let (year, month) = if month < 2 {
        (year - 1, month + 10)
    } else {
        (year, month - 2)
    };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719 468 days lie between 0000-03-01 and 1970-01-01.
    Some(days + (153 * month + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_days_since_1970() {
        for (date, day) in [
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0),
            ("Tue, 29 Feb 2000 12:00:00 UTC", 11_016),
            ("Sat, 11 Jul 2026 10:16:37 UTC", 20_645),
            ("Thu, 31 Dec 2026 23:59:59 +0000", 20_818),
        ] {
            assert_eq!(day_in(date), Some(day), "{date}");
        }
        assert_eq!(day_in("yesterday"), None);
        assert_eq!(day_in("Sat, 11 Juli 2026 10:16:37 UTC"), None);
    }

    #[test]
    fn the_codename_may_be_quoted_and_must_be_there() {
        assert_eq!(
            codename_in("ID=debian\nVERSION_CODENAME=bookworm\n"),
            Some("bookworm")
        );
        assert_eq!(codename_in("VERSION_CODENAME=\"noble\""), Some("noble"));
        assert_eq!(codename_in("VERSION_CODENAME=\nID=debian"), None);
    }

    const TARGETS: &str = "\
Packages amd64 main bookworm oldstable http://one.example/debian/ http://one.example/debian /l/a
Packages amd64 contrib bookworm oldstable http://one.example/debian/ http://one.example/debian /l/b
Packages arm64 main bookworm oldstable http://one.example/debian/ http://one.example/debian /l/c
DEP-11 amd64 main bookworm oldstable http://one.example/debian/ http://one.example/debian /l/d
Packages amd64 main bookworm-updates bookworm-updates http://one.example/debian/ http://one.example/debian /l/e
Packages amd64 main bookworm-security bookworm-security https://two.example:8/s/ https://two.example:8/s /l/f
Packages amd64 main trixie trixie http://three.example/ http://three.example /l/g
";

    #[test]
    fn only_main_of_the_release_and_its_security_suite_are_used() {
        // Monday 2026-11-16, day 20 773, for the security suite; a point release long before.
        let date = |list: &str, _: &str| Some(if list == "/l/f" { 20_779 } else { 20_645 });
        let mirror = Mirror::from_targets("bookworm", TARGETS, &date).expect("two suites fit");
        let lines: Vec<_> = mirror.lines().collect();
        assert_eq!(
            lines,
            [
                "deb http://one.example/debian/ oldstable main",
                "deb https://two.example:8/s/ bookworm-security main"
            ]
        );
        assert_eq!(mirror.hosts(), ["one.example", "two.example:8"]);
        let sunday = mirror.week();
        let monday = Mirror::from_targets("bookworm", TARGETS, &|_, _| Some(20_773))
            .expect("fits")
            .week();
        let before = Mirror::from_targets("bookworm", TARGETS, &|_, _| Some(20_772))
            .expect("fits")
            .week();
        assert_eq!((sunday, before), (monday, monday - 1));
    }

    #[test]
    fn without_lists_there_is_no_mirror() {
        assert!(Mirror::from_targets("bookworm", "", &|_, _| Some(1)).is_none());
        assert!(Mirror::from_targets("sid", TARGETS, &|_, _| Some(1)).is_none());
        assert!(Mirror::from_targets("bookworm", TARGETS, &|_, _| None).is_none());
    }
}
