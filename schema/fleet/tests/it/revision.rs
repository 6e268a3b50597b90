//! Files of a revision, from the disk or from a case file.

use schema_fleet::{Parsed, SourceFile, parse};
use std::{fs, path::Path};

/// All files under a directory, as a revision holds them.
pub(crate) fn read_directory(root: &Path) -> Vec<SourceFile> {
    let mut files = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.push(SourceFile {
                    path: name,
                    bytes: fs::read(&path).unwrap(),
                });
            }
        }
    }
    files
}

/// The files of a case: one, or several behind lines `--- file: PATH`.
pub(crate) fn read_case(path: &Path) -> Vec<SourceFile> {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let text = fs::read_to_string(path).unwrap();
    let Some(rest) = text.strip_prefix("--- file: ") else {
        return vec![file(&name, &text)];
    };
    rest.split("\n--- file: ")
        .map(|part| {
            let (name, text) = part.split_once('\n').unwrap();
            file(name, text)
        })
        .collect()
}

/// One file.
pub(crate) fn file(path: &str, text: &str) -> SourceFile {
    SourceFile {
        path: path.to_owned(),
        bytes: text.as_bytes().to_vec(),
    }
}

/// Parses one text.
pub(crate) fn parse_one(path: &str, text: &str) -> Parsed {
    parse(&[file(path, text)])
}
