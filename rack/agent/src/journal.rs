//! An append-only file of lines with group commit.
//!
//! One thread writes: whatever waits when it turns to the file goes out in one write and one
//! `fdatasync`, and each asker hears when its own lines are on disk. After a failed write, which
//! may have left half a line, the next append writes the whole state anew instead; so does one that
//! finds the file long, or is asked to. The state comes from whoever owns it, by a function.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};
use tokio::sync::oneshot;

/// A file is rewritten when it is longer than this and than four times its last rewriting.
const REWRITE_BYTES: u64 = 1 << 20;
/// Lines of at most so many askers go out together.
const GROUP_MAX: usize = 4096;

/// Writes the whole state as lines.
pub(crate) type Snapshot = Box<dyn Fn() -> Vec<u8> + Send>;

/// The asking side; cheap to clone. The thread ends when the last one is gone.
#[derive(Debug, Clone)]
pub(crate) struct Journal(Sender<Append>);

struct Append {
    /// Absent where the whole state is to be written anew.
    lines: Option<Vec<u8>>,
    done: Done,
}

/// What is done once lines are on disk, or are not. It runs on the journal's own thread, between two commits: it must
/// be quick and wait for nothing.
type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

impl std::fmt::Debug for Append {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Append")
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

struct Writer {
    path: PathBuf,
    /// Absent until the first append has written the whole state, and after a failure.
    file: Option<File>,
    written: u64,
    rewritten: u64,
    snapshot: Snapshot,
}

/// The complete lines of a file; empty if there is none. A torn last line was never acknowledged.
pub(crate) fn read_lines(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read(path) {
        Ok(mut bytes) => {
            let end = bytes
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            bytes.truncate(end);
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces a file in one step, so that a crash leaves the old or the new one. It is for this user alone:
/// the daemon's word holds the key of all tokens.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    // What a crash left here may be open to others, and would stay so.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut private = OpenOptions::new();
    let mut file = private
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

impl Journal {
    /// Begins a journal; the file is left as it is until the first append, so that a full disk does not
    /// keep the agent from starting. The thread is to be joined after the last [`Journal`] is dropped.
    ///
    /// # Errors
    /// No thread can be made.
    pub(crate) fn start(path: PathBuf, snapshot: Snapshot) -> io::Result<(Self, JoinHandle<()>)> {
        let mut writer = Writer {
            path,
            file: None,
            written: 0,
            rewritten: 0,
            snapshot,
        };
        let (asker, asked) = channel();
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&asked))?;
        Ok((Self(asker), thread))
    }

    /// Appends lines, each with its newline. The receiver hears when they are on disk, or why not.
    pub(crate) fn append(&self, lines: Vec<u8>) -> oneshot::Receiver<io::Result<()>> {
        self.ask(Some(lines))
    }

    /// The same for who has little to do then: `done` runs on the journal's thread, which saves waking another. It
    /// must wait for nothing.
    pub(crate) fn append_then(&self, lines: Vec<u8>, done: impl FnOnce(io::Result<()>) + Send + 'static) {
        self.send(Some(lines), Box::new(done));
    }

    /// Puts the whole state in the place of what the file holds, in one step. The receiver hears when it
    /// is on disk, or why not.
    pub(crate) fn rewrite(&self) -> oneshot::Receiver<io::Result<()>> {
        self.ask(None)
    }

    fn ask(&self, lines: Option<Vec<u8>>) -> oneshot::Receiver<io::Result<()>> {
        let (done, heard) = oneshot::channel();
        // An asker that stopped waiting wants no answer.
        self.send(
            lines,
            Box::new(move |result| drop::<Result<_, _>>(done.send(result))),
        );
        heard
    }

    fn send(&self, lines: Option<Vec<u8>>, done: Done) {
        // A thread that is gone drops `done`, which a receiver hears as a failure.
        let _gone = self.0.send(Append { lines, done });
    }
}

impl Writer {
    fn run(&mut self, asked: &Receiver<Append>) {
        while let Ok(first) = asked.recv() {
            let mut group = vec![first];
            group.extend(asked.try_iter().take(GROUP_MAX - 1));
            // One that wants all of it written anew wants it for the whole group.
            let lines: Option<Vec<&[u8]>> = group.iter().map(|append| append.lines.as_deref()).collect();
            let result = self.commit(lines.map(|lines| lines.concat()));
            if let Err(error) = &result {
                tracing::warn!(path = %self.path.display(), %error, "journal write failed");
            }
            for append in group {
                let told = match &result {
                    Ok(()) => Ok(()),
                    Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
                };
                (append.done)(told);
            }
        }
    }

    fn commit(&mut self, lines: Option<Vec<u8>>) -> io::Result<()> {
        let is_long = self.written > REWRITE_BYTES.max(self.rewritten * 4);
        let file = self.file.take().filter(|_| !is_long);
        let Some((mut file, lines)) = file.zip(lines) else {
            // The state has these lines already: whoever appends changes it first.
            let contents = (self.snapshot)();
            replace(&self.path, &contents)?;
            self.file = Some(OpenOptions::new().append(true).open(&self.path)?);
            self.written = contents.len() as u64;
            self.rewritten = self.written;
            return Ok(());
        };
        file.write_all(&lines)?;
        file.sync_data()?;
        self.written += lines.len() as u64;
        self.file = Some(file);
        Ok(())
    }
}
