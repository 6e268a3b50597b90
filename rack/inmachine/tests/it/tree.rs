//! Makes a directory tree of a text, so that a machine's `/sys` is a file a person can write.
//!
//! `path = text` is a file (`\n` and `\0` are escapes), `path -> target` a link relative to the root,
//! `path/` a directory; `#` begins a comment.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Fills the directory.
pub(crate) fn plant(root: &Path, text: &str) {
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let directory_of = |path: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        if let Some((path, contents)) = line.split_once(" = ") {
            let contents = contents
                .replace("\\n", "\n")
                .replace("\\0", "\0")
                .replace("\\e", "\u{e}");
            fs::write(directory_of(path), contents).unwrap();
        } else if let Some((path, target)) = line.split_once(" -> ") {
            symlink(root.join(target), directory_of(path)).unwrap();
        } else if let Some(path) = line.strip_suffix('/') {
            fs::create_dir_all(root.join(path)).unwrap();
        } else {
            panic!("neither file, link nor directory: {line:?}");
        }
    }
}
