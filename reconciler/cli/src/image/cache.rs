//! Built images on disk: `<cache>/<key>/` with the artefacts and `manifest.json`, complete or absent.
//!
//! A build works in `<cache>/.building/` and becomes visible by one rename, so a half-made image is
//! never used. One lock file admits one builder at a time; a second waits and then finds the first
//! one's work.

use super::{Artefact, error::BuildError, recipe, tool::Log};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

/// Complete images kept per family: the one in use and the one before. Each is 100 to 200 MB.
const KEPT_PER_IMAGE: usize = 2;
const MANIFEST: &str = "manifest.json";

/// Processes of a build that was killed just now write for some milliseconds more, until the kernel
/// has ended all of them.
const LAST_BREATH_MAX: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// An open cache directory, locked for this process.
#[derive(Debug)]
pub(super) struct Cache {
    root: PathBuf,
    _lock: File,
}

/// A complete image in the cache.
#[derive(Debug)]
pub(super) struct Entry {
    path: PathBuf,
    /// What it holds.
    pub(super) manifest: Manifest,
}

/// The file beside the artefacts that says what they are. It is written last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    image: String,
    artefacts: Vec<Listed>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    name: String,
    sha256: String,
    size: u64,
    /// The length in bytes before compression, for an archive.
    unpacked: Option<u64>,
}

impl Manifest {
    fn listed(&self, name: &str) -> &Listed {
        self.artefacts
            .iter()
            .find(|listed| listed.name == name)
            .expect("`find` and `publish` admit only an entry with every artefact of its form")
    }

    /// The SHA-256 of an artefact, in lower-case hexadecimal.
    pub(super) fn digest(&self, name: &str) -> &str {
        &self.listed(name).sha256
    }

    /// The length of an artefact before compression, in bytes.
    pub(super) fn unpacked(&self, name: &str) -> u64 {
        let listed = self.listed(name);
        listed.unpacked.unwrap_or(listed.size)
    }
}

#[cfg(test)]
impl Manifest {
    /// One whose digests are the artefacts' positions, for golden texts.
    pub(super) fn sample(names: &[&str]) -> Self {
        let listed = |(at, name): (usize, &&str)| Listed {
            name: (*name).to_owned(),
            sha256: at.to_string().repeat(64),
            size: 5,
            unpacked: Some(472_166_400),
        };
        Self {
            image: "sample".to_owned(),
            artefacts: names.iter().enumerate().map(listed).collect(),
        }
    }
}

/// A file that a build has made in its staging directory.
#[derive(Debug)]
pub(super) struct Made {
    /// Its name there.
    pub(super) name: &'static str,
    /// Its length before compression, in bytes.
    pub(super) unpacked: Option<u64>,
}

/// The directory in which one build works; what is left of it goes when it is dropped.
#[derive(Debug)]
pub(super) struct Staging(PathBuf);

impl Staging {
    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After a failure there is nobody to tell; the next build removes it or says why it cannot.
        let _ = remove(&self.0);
    }
}

/// Removes a directory of ours, if it is there, and nothing that is mounted in it.
fn remove(directory: &Path) -> Result<(), BuildError> {
    let Ok(whole) = directory.canonicalize() else {
        return Ok(());
    };
    let table = "/proc/self/mountinfo";
    let mounts = fs::read_to_string(table).map_err(BuildError::file("read", table))?;
    for point in mounted_below(&mounts, &whole) {
        let gone = rustix::mount::unmount(&point, rustix::mount::UnmountFlags::DETACH);
        gone.map_err(|errno| BuildError::file("unmount", &point)(errno.into()))?;
    }
    let until = Instant::now() + LAST_BREATH_MAX;
    loop {
        match fs::remove_dir_all(directory) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && Instant::now() < until => {
                thread::sleep(LOOK_EVERY);
            }
            Err(error) => return Err(BuildError::file("remove", directory)(error)),
        }
    }
}

/// Mount points below a directory, last mounted first (proc(5): the fifth field, with four characters
/// written in octal).
fn mounted_below(table: &str, directory: &Path) -> Vec<PathBuf> {
    let plain = |field: &str| {
        let spaced = field.replace("\\040", " ").replace("\\011", "\t");
        PathBuf::from(spaced.replace("\\012", "\n").replace("\\134", "\\"))
    };
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    let mut below: Vec<_> = points
        .map(plain)
        .filter(|point| point.starts_with(directory))
        .collect();
    below.reverse();
    below
}

impl Cache {
    /// Opens and locks the cache, making its directory. Waits while another process builds.
    ///
    /// # Errors
    /// The directory cannot be made or locked.
    pub(super) fn open(root: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self, BuildError> {
        fs::create_dir_all(root).map_err(BuildError::file("make the directory", root))?;
        let path = root.join("lock");
        let lock = File::create(&path).map_err(BuildError::file("write", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                progress("waiting for another build to end");
                lock.lock().map_err(BuildError::file("lock", &path))?;
            }
            Err(TryLockError::Error(source)) => return Err(BuildError::file("lock", path)(source)),
        }
        Ok(Self {
            root: root.to_owned(),
            _lock: lock,
        })
    }

    /// The log of the builds of `image`; it outlives them.
    pub(super) fn log(&self, image: &str, hidden: Vec<String>) -> Log {
        Log::new(self.root.join(format!("{image}.log")), hidden)
    }

    /// A complete image under this key, with all of `names`.
    pub(super) fn find(&self, key: &str, names: &[&str]) -> Option<Entry> {
        let entry = self.entry(key)?;
        let has = |name: &&str| {
            entry
                .manifest
                .artefacts
                .iter()
                .any(|listed| listed.name == **name)
        };
        names.iter().all(has).then_some(entry)
    }

    fn entry(&self, key: &str) -> Option<Entry> {
        let path = self.root.join(key);
        let manifest: Manifest = serde_json::from_slice(&fs::read(path.join(MANIFEST)).ok()?).ok()?;
        let complete = manifest.artefacts.iter().all(|listed| {
            fs::metadata(path.join(&listed.name)).is_ok_and(|found| found.len() == listed.size)
        });
        complete.then_some(Entry { path, manifest })
    }

    /// An empty directory to build in, and no entry under `key` that could be in the way. What a
    /// killed build left mounted is unmounted first.
    ///
    /// # Errors
    /// The directories cannot be changed.
    pub(super) fn stage(&self, key: &str) -> Result<Staging, BuildError> {
        let staging = self.root.join(".building");
        for stale in [&staging, &self.root.join(key)] {
            remove(stale)?;
        }
        fs::create_dir(&staging).map_err(BuildError::file("make the directory", &staging))?;
        Ok(Staging(staging))
    }

    /// Makes the named files of `staging` the entry `key`, and forgets the oldest of this image.
    ///
    /// # Errors
    /// A file cannot be read or moved.
    pub(super) fn publish(
        &self,
        staging: Staging,
        key: &str,
        image: &str,
        made: &[Made],
    ) -> Result<Entry, BuildError> {
        let complete = staging.path().join("complete");
        fs::create_dir(&complete).map_err(BuildError::file("make the directory", &complete))?;
        let mut artefacts = Vec::new();
        for Made { name, unpacked } in made {
            let (from, to) = (staging.path().join(name), complete.join(name));
            let (sha256, size) = digest(&from).map_err(BuildError::file("read", &from))?;
            fs::rename(&from, &to).map_err(BuildError::file("move", &from))?;
            artefacts.push(Listed {
                name: (*name).to_owned(),
                sha256,
                size,
                unpacked: *unpacked,
            });
        }
        let manifest = Manifest {
            image: image.to_owned(),
            artefacts,
        };
        let text = serde_json::to_vec_pretty(&manifest).expect("strings and numbers are always JSON");
        let path = complete.join(MANIFEST);
        fs::write(&path, text).map_err(BuildError::file("write", &path))?;
        let path = self.root.join(key);
        fs::rename(&complete, &path).map_err(BuildError::file("move", &complete))?;
        self.prune(image)?;
        Ok(Entry { path, manifest })
    }

    fn prune(&self, image: &str) -> Result<(), BuildError> {
        let entries = fs::read_dir(&self.root).map_err(BuildError::file("read", &self.root))?;
        let mut entries: Vec<(SystemTime, PathBuf)> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| self.entry(&entry.file_name().into_string().ok()?))
            .filter(|entry| entry.manifest.image == image)
            .filter_map(|entry| Some((fs::metadata(&entry.path).ok()?.modified().ok()?, entry.path)))
            .collect();
        entries.sort();
        for (_, path) in entries.iter().rev().skip(KEPT_PER_IMAGE) {
            fs::remove_dir_all(path).map_err(BuildError::file("remove", path))?;
        }
        Ok(())
    }

    /// Puts the artefacts of `entry` into `out`: links where both are on one filesystem, else copies.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn link(&self, entry: &Entry, out: &Path) -> Result<Vec<Artefact>, BuildError> {
        fs::create_dir_all(out).map_err(BuildError::file("make the directory", out))?;
        let mut artefacts = Vec::new();
        for listed in &entry.manifest.artefacts {
            let (from, path) = (entry.path.join(&listed.name), out.join(&listed.name));
            // The new file takes the old one's place at once: a reader sees one or the other.
            let beside = out.join(format!(".{}.new", listed.name));
            let _ = fs::remove_file(&beside);
            fs::hard_link(&from, &beside)
                .or_else(|_| fs::copy(&from, &beside).map(|_| ()))
                .and_then(|()| fs::rename(&beside, &path))
                .map_err(BuildError::file("write", &path))?;
            // Renaming one link of a file onto another does nothing and leaves both (rename(2)).
            let _ = fs::remove_file(&beside);
            artefacts.push(Artefact {
                path,
                sha256: listed.sha256.clone(),
                size: listed.size,
            });
        }
        Ok(artefacts)
    }
}

/// The SHA-256 and length of a file.
fn digest(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let (mut digest, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((recipe::hex(&digest.finalize()), size));
        }
        digest.update(&buffer[..read]);
        size += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(cache: &Cache, key: &str, content: &str) -> Entry {
        let staging = cache.stage(key).expect("a staging directory");
        fs::write(staging.path().join("rootfs"), content).expect("a file in it");
        fs::write(staging.path().join("left-over"), "x").expect("another");
        let made = [Made {
            name: "rootfs",
            unpacked: Some(7),
        }];
        cache.publish(staging, key, "image", &made).expect("published")
    }

    #[test]
    fn an_entry_is_complete_or_absent() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let cache = Cache::open(directory.path(), &mut |_| {}).expect("a cache");
        assert!(cache.find("k", &["rootfs"]).is_none());
        build(&cache, "k", "abc");
        let entry = cache.find("k", &["rootfs"]).expect("it is there");
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            (entry.manifest.digest("rootfs"), entry.manifest.unpacked("rootfs")),
            (abc, 7)
        );
        assert!(
            !directory.path().join(".building").exists(),
            "the staging directory goes"
        );

        fs::write(entry.path.join("rootfs"), "a").expect("cut short");
        assert!(
            cache.find("k", &["rootfs"]).is_none(),
            "a short artefact is no artefact"
        );
        build(&cache, "k", "abc");
        assert!(cache.find("k", &["rootfs"]).is_some(), "and is built anew");
        assert!(
            cache.find("k", &["rootfs", "kernel"]).is_none(),
            "and nothing without its kernel"
        );
        fs::remove_file(entry.path.join(MANIFEST)).expect("removed");
        assert!(
            cache.find("k", &["rootfs"]).is_none(),
            "without its manifest nothing is complete"
        );
    }

    #[test]
    fn what_a_failed_build_left_is_removed() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let cache = Cache::open(directory.path(), &mut |_| {}).expect("a cache");
        let staging = directory.path().join(".building");
        fs::create_dir_all(staging.join("root/etc")).expect("left by a killed build");
        drop(cache.stage("k").expect("a staging directory"));
        assert!(!staging.exists());
    }

    #[test]
    fn what_a_killed_build_left_mounted_is_unmounted_and_not_emptied() {
        testbed_scratch::assert_root("mounts");
        let directory = testbed_scratch::Scratch::new();
        let cache = Cache::open(&directory.path().join("a cache"), &mut |_| {}).expect("a cache");
        let host = directory.path().join("host");
        let mounted = directory.path().join("a cache/.building/root/dev");
        for path in [&host, &mounted] {
            fs::create_dir_all(path).expect("a directory");
        }
        fs::write(host.join("null"), "").expect("a file of the host");
        for _ in 0..2 {
            rustix::mount::mount_bind(&host, &mounted).expect("mounted, and once more over that");
        }
        let staging = cache.stage("k").expect("a staging directory");
        assert_eq!(fs::read_dir(staging.path()).expect("a directory").count(), 0);
        assert!(host.join("null").exists());
    }

    #[test]
    fn only_the_newest_are_kept() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let cache = Cache::open(directory.path(), &mut |_| {}).expect("a cache");
        for (age, key) in [(30, "a"), (20, "b"), (10, "c")] {
            let entry = build(&cache, key, key);
            let when = SystemTime::now() - std::time::Duration::from_secs(age);
            File::open(&entry.path)
                .and_then(|file| file.set_modified(when))
                .expect("a date");
        }
        build(&cache, "d", "d");
        let found = ["a", "b", "c", "d"].map(|key| cache.find(key, &["rootfs"]).is_some());
        assert_eq!(found, [false, false, true, true]);
    }

    #[test]
    fn out_gets_the_files_and_may_have_them_already() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let cache = Cache::open(&directory.path().join("cache"), &mut |_| {}).expect("a cache");
        let out = directory.path().join("out");
        for content in ["abc", "abc", "def"] {
            let entry = build(&cache, content, content);
            for _ in 0..2 {
                let artefacts = cache.link(&entry, &out).expect("linked");
                assert_eq!(artefacts[0].path, out.join("rootfs"));
                assert_eq!(fs::read_to_string(&artefacts[0].path).expect("a file"), content);
                assert_eq!(
                    fs::read_dir(&out).expect("a directory").count(),
                    1,
                    "nothing beside it"
                );
            }
        }
    }

    #[test]
    fn a_second_builder_waits() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let first = Cache::open(directory.path(), &mut |_| {}).expect("a cache");
        let (said, heard) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                let cache = Cache::open(directory.path(), &mut |line| {
                    said.send(line.to_owned()).expect("heard")
                });
                cache.expect("a cache").find("k", &["rootfs"]).is_some()
            });
            assert_eq!(
                heard.recv().expect("it waits"),
                "waiting for another build to end"
            );
            build(&first, "k", "abc");
            drop(first);
            assert!(second.join().expect("it ends"), "it finds the work of the first");
        });
    }
}
