//! Changes of one value of one object, in the text as a person wrote it: what else stands there, comments too, stays.
//!
//! Lines are changed, and the result is read again: what then does not say exactly what was wanted is not given. There are
//! more ways to write an object than this knows; it never guesses.

mod lines;

use crate::{
    fleet::Fleet,
    index::Index,
    objects::Object,
    parse::{Parsed, parse},
    source::SourceFile,
    tree::{Entry, Node, Syntax, Value},
};
use lines::{depth, indented, spans, unquoted, values};
use schema_ids::Name;
use std::collections::BTreeSet;

/// What a deployment that counts says of whom it takes: all that has no meaning for one that names its machines.
const COUNTED: [&str; 6] = [
    "count",
    "require",
    "spread",
    "release-order",
    "release",
    "replace-failed",
];

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRevised {
    /// There is no such object.
    #[error("no {0} is written in these files")]
    Absent(String),
    /// The files have errors.
    #[error("the files have errors that `muster check` shows; they come first")]
    Unsound,
    /// It does not say what is to be replaced.
    #[error("{object} in {file} does not say `{field}` itself: {why}")]
    Missing {
        /// Which.
        object: String,
        /// The file.
        file: String,
        /// What is missing.
        field: String,
        /// What that means.
        why: &'static str,
    },
    /// It is written in a way that lines cannot be changed of.
    #[error("{object} in {file} is written in a way that this cannot change; write it by hand: {lines}")]
    ByHand {
        /// Which.
        object: String,
        /// The file.
        file: String,
        /// What it shall say.
        lines: String,
    },
}

/// Gives a field of an object another text.
///
/// # Errors
/// Where the object is not there, or is written in a way that is not known.
pub fn set(
    files: &[SourceFile],
    kind: &str,
    name: &str,
    field: &str,
    value: &str,
) -> Result<SourceFile, NotRevised> {
    let index = Index::read(files);
    let target = Target::find(&index, files, kind, name)?;
    let lines = format!("{field} = {value:?}");
    let edited = match at(&target.object.node, field) {
        Some(node) if matches!(node.value, Value::Text(_)) => {
            let (start, end) = (node.span.start.byte as usize, node.span.end.byte as usize);
            let mut text = target.text.to_owned();
            text.replace_range(start..end, &format!("{value:?}"));
            Some(text)
        }
        Some(_) => None,
        None => target.with(field, value),
    };
    let says = |parsed: &Parsed, files: &[SourceFile]| {
        let blame = Index::read(files).blame(kind, name);
        let row = blame.and_then(|blame| blame.rows.into_iter().find(|row| row.path == field));
        parsed.fleet.is_some() && row.is_some_and(|row| row.value == value)
    };
    target.checked(files, edited, lines, says)
}

/// Names the machines of a deployment that counts, in this order. What it counted stays beside them as comments, from
/// which [`unpin`] takes it back.
///
/// # Errors
/// Where the deployment is not there, does not count, or is written in a way that is not known.
pub fn pin(files: &[SourceFile], name: &str, machines: &[Name]) -> Result<SourceFile, NotRevised> {
    let index = Index::read(files);
    let target = Target::find(&index, files, "deployment", name)?;
    let Some(count) = target.object.node.get("count") else {
        return Err(target.missing("count", "it counts nothing, or a layer does it for it"));
    };
    let list: Vec<String> = machines
        .iter()
        .map(|machine| format!("{:?}", machine.as_str()))
        .collect();
    let line = match target.syntax {
        Syntax::Toml => format!("machines = [{}]", list.join(", ")),
        Syntax::Kdl => format!("machines {}", list.join(" ")),
    };
    let counted = COUNTED.into_iter().filter_map(|key| target.object.node.get(key));
    let head = target.object.name.span.start.line as usize - 1;
    let in_head =
        |entry: &&Entry| target.syntax == Syntax::Kdl && entry.key.span.start.line as usize - 1 == head;
    let properties: Vec<&Entry> = counted.clone().filter(in_head).collect();
    let hidden: BTreeSet<usize> = counted
        .filter(|entry| !in_head(entry))
        .flat_map(|entry| target.lines_of(entry))
        .collect();
    let mut text = String::new();
    for (number, old) in target.text.split_inclusive('\n').enumerate() {
        if number == head && !properties.is_empty() {
            text.push_str(&target.head_without(old, &properties, in_head(&count).then_some(line.as_str())));
            continue;
        }
        if number == count.key.span.start.line as usize - 1 {
            let before: String = old
                .chars()
                .take(count.key.span.start.column as usize - 1)
                .collect();
            text.push_str(&format!("{before}{line}\n"));
        }
        if hidden.contains(&number) {
            let (indent, rest) = indented(old);
            text.push_str(&format!("{indent}{}{rest}", target.mark()));
        } else {
            text.push_str(old);
        }
    }
    let before = parse(files).fleet;
    let says = |parsed: &Parsed, _: &[SourceFile]| {
        let fleet = parsed.fleet.as_ref();
        let deployment =
            fleet.and_then(|fleet| fleet.deployments.iter().find(|(known, _)| known.as_str() == name));
        let is_pinned = deployment.is_some_and(|(_, deployment)| {
            let named = deployment.machines.iter().map(|machine| &machine.name);
            deployment.count.is_none() && deployment.require.is_none() && named.eq(machines)
        });
        // A bracket in a comment must not take what stands below it along.
        is_pinned && fleet.map(others) == before.as_ref().map(others)
    };
    target.checked(files, Some(text), line.clone(), says)
}

/// Has a deployment adopt a machine, into this slot where it counts. One that names its machines names this one as well, behind
/// the others.
///
/// # Errors
/// Where the deployment is not there, adopts the machine already, or is written in a way that is not known.
pub fn adopt(
    files: &[SourceFile],
    name: &str,
    machine: &Name,
    slot: Option<u32>,
) -> Result<SourceFile, NotRevised> {
    let index = Index::read(files);
    let target = Target::find(&index, files, "deployment", name)?;
    let parsed = parse(files).fleet;
    let before = parsed.as_ref().ok_or(NotRevised::Unsound)?;
    let find = |fleet: &Fleet| {
        let mut deployments = fleet.deployments.iter();
        let found = deployments.find(|(known, _)| known.as_str() == name);
        found.map(|(_, deployment)| deployment.clone())
    };
    let deployment = find(before).ok_or_else(|| NotRevised::Absent(format!("deployment.{name}")))?;
    let is_named = deployment.machines.iter().any(|named| named.name == *machine);
    if deployment.count.is_none() && !is_named {
        let Some(machines) = target.object.node.get("machines") else {
            return Err(target.missing("machines", "it names none, or a layer does it for it"));
        };
        let named = target.checked(
            files,
            target.appended(machines, &format!("{:?}", machine.as_str())),
            format!("machines = [..., {:?}]", machine.as_str()),
            |parsed, _| {
                let found = parsed.fleet.as_ref().and_then(find);
                found.is_some_and(|now| now.machines.iter().any(|named| named.name == *machine))
            },
        )?;
        let mut files = files.to_vec();
        for file in files.iter_mut().filter(|file| file.path == named.path) {
            file.clone_from(&named);
        }
        return adopt(&files, name, machine, slot);
    }
    let quoted = format!("{:?}", machine.as_str());
    let (entry, node) = match slot {
        None => (
            format!("{{ machine = {quoted} }}"),
            format!("adopt machine={quoted}"),
        ),
        Some(slot) => (
            format!("{{ machine = {quoted}, slot = {slot} }}"),
            format!("adopt machine={quoted} slot={slot}"),
        ),
    };
    let edited = match (target.syntax, target.object.node.get("adopt")) {
        (Syntax::Toml, Some(adopted)) => target.appended(adopted, &entry),
        (Syntax::Toml, None) => target.with_text("adopt", &format!("[{entry}]"), ""),
        (Syntax::Kdl, _) => target.with_text("adopt", "", &format!("    {node}\n")),
    };
    let lines = match target.syntax {
        Syntax::Toml => format!("adopt = [{entry}]"),
        Syntax::Kdl => node,
    };
    let says = |parsed: &Parsed, _: &[SourceFile]| {
        let now = parsed.fleet.as_ref().and_then(find);
        let is_adopted = now.is_some_and(|now| {
            let mut entries = now.adopt.iter();
            let entry = entries.find(|adopt| adopt.machine.name == *machine);
            let is_so = entry.is_some_and(|adopt| adopt.slot.as_ref().map(|slot| slot.value) == slot);
            is_so && now.adopt.len() == deployment.adopt.len() + 1 && now.machines == deployment.machines
        });
        // A bracket in a comment must not take what stands below it along.
        is_adopted && parsed.fleet.as_ref().map(others) == Some(others(before))
    };
    target.checked(files, edited, lines, says)
}

/// A deployment that counts again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpinned {
    /// Its file.
    pub file: SourceFile,
    /// What it counted before it was pinned, and what it counts now: as many as it named, where machines were added since.
    pub raised: Option<(u32, u32)>,
}

/// Takes back what a deployment counted before it was pinned. Where it names more by now, it counts those: machines that a person
/// added by name are not given up for a number of before.
///
/// # Errors
/// Where the deployment is not there, names no machines, or no comments of [`pin`] stand in its file.
pub fn unpin(files: &[SourceFile], name: &str) -> Result<Unpinned, NotRevised> {
    let index = Index::read(files);
    let target = Target::find(&index, files, "deployment", name)?;
    let Some(machines) = target.object.node.get("machines") else {
        return Err(target.missing("machines", "it names none, or a layer does it for it"));
    };
    let gone = target.lines_of(machines);
    let mark = target.mark();
    if !target
        .text
        .lines()
        .any(|line| line.trim_start().starts_with(mark.trim_end()))
    {
        let why =
            "nothing there says what it counted before it was pinned; write `count` and `require` by hand";
        return Err(target.missing("count", why));
    }
    let mut text = String::new();
    for (number, old) in target.text.split_inclusive('\n').enumerate() {
        if gone.contains(&number) {
            continue;
        }
        let (indent, rest) = indented(old);
        match rest.strip_prefix(mark.as_str()) {
            Some(hidden) => text.push_str(&format!("{indent}{hidden}")),
            None => text.push_str(old),
        }
    }
    let named = match &machines.node.value {
        Value::List(named) => u32::try_from(named.len()).unwrap_or(u32::MAX),
        _ => 1,
    };
    let (text, raised) = counted(target.path, text, name, named);
    let says = |parsed: &Parsed, _: &[SourceFile]| {
        let fleet = parsed.fleet.as_ref();
        let deployment =
            fleet.and_then(|fleet| fleet.deployments.iter().find(|(known, _)| known.as_str() == name));
        deployment.is_some_and(|(_, deployment)| {
            let count = deployment.count.as_ref().map_or(0, |count| count.value);
            count >= named.max(1) && deployment.machines.is_empty()
        })
    };
    let file = target.checked(files, Some(text), format!("count = {named}"), says)?;
    Ok(Unpinned { file, raised })
}

/// The text of a file in which a deployment counts no less than so many, with what it counted and what it does now.
fn counted(path: &str, text: String, name: &str, least: u32) -> (String, Option<(u32, u32)>) {
    let files = [SourceFile {
        path: path.to_owned(),
        bytes: text.clone().into_bytes(),
    }];
    let index = Index::read(&files);
    let mut objects = index.objects.iter();
    let object = objects.find(|object| object.kind.name == "deployment" && object.name.text == name);
    let Some(count) = object.and_then(|object| object.node.get("count")) else {
        return (text, None);
    };
    let span = &count.node.span;
    let place = span.start.byte as usize..span.end.byte as usize;
    let said = text.get(place.clone()).and_then(|said| said.parse::<u32>().ok());
    match said.filter(|said| *said < least) {
        Some(said) => {
            let mut text = text;
            text.replace_range(place, &least.to_string());
            (text, Some((said, least)))
        }
        None => (text, None),
    }
}

/// What a revision of one deployment leaves as it is: which objects there are, and what may be done to whom.
fn others(fleet: &Fleet) -> (Vec<&Name>, Vec<String>) {
    let machines = fleet.machines.keys().chain(fleet.images.keys());
    let objects = machines.chain(fleet.storages.keys()).chain(fleet.networks.keys());
    let objects = objects.chain(fleet.holds.keys()).chain(fleet.budgets.keys());
    let deployments = fleet.deployments.iter().map(|(name, deployment)| {
        let (image, storage, network) = (
            &deployment.image.name,
            &deployment.storage.name,
            &deployment.network.name,
        );
        let (policy, protect, epoch) = (deployment.update_policy, deployment.protect, deployment.reinstall);
        format!("{name} {image} {storage} {network} {policy:?} {protect:?} {epoch}")
    });
    (objects.collect(), deployments.collect())
}

/// The value at a path of keys.
fn at<'n>(node: &'n Node, path: &str) -> Option<&'n Node> {
    path.split('.')
        .try_fold(node, |node, key| Some(&node.get(key)?.node))
}

/// An object in its file.
struct Target<'a> {
    object: &'a Object,
    path: &'a str,
    text: &'a str,
    syntax: Syntax,
}

impl<'a> Target<'a> {
    fn find(index: &'a Index, files: &'a [SourceFile], kind: &str, name: &str) -> Result<Self, NotRevised> {
        let absent = || NotRevised::Absent(format!("{kind}.{name}"));
        if parse(files).fleet.is_none() {
            return Err(NotRevised::Unsound);
        }
        let mut objects = index.objects.iter();
        let object = objects
            .find(|object| object.kind.name == kind && object.name.text == name)
            .ok_or_else(absent)?;
        let path = &*object.name.span.file;
        let file = files.iter().find(|file| file.path == path).ok_or_else(absent)?;
        Ok(Self {
            object,
            path: &file.path,
            text: std::str::from_utf8(&file.bytes).map_err(|_| absent())?,
            syntax: Syntax::of(&file.path).ok_or_else(absent)?,
        })
    }

    /// What stands before each line that is kept for [`unpin`].
    fn mark(&self) -> String {
        let comment = match self.syntax {
            Syntax::Toml => "#",
            Syntax::Kdl => "//",
        };
        format!("{comment} unpin {}: ", self.object.name.text)
    }

    fn missing(&self, field: &str, why: &'static str) -> NotRevised {
        NotRevised::Missing {
            object: self.object.to_string(),
            file: self.path.to_owned(),
            field: field.to_owned(),
            why,
        }
    }

    /// The head of a KDL object without these properties, which stand as comments behind it, and with this line below.
    fn head_without(&self, line: &str, properties: &[&Entry], below: Option<&str>) -> String {
        let (indent, _) = indented(line);
        let start = self.object.name.span.start;
        let line_start = self.text[..start.byte as usize]
            .rfind('\n')
            .map_or(0, |at| at + 1);
        let mut head = line.to_owned();
        let mut kept = String::new();
        let mut pieces: Vec<&&Entry> = properties.iter().collect();
        pieces.sort_by_key(|entry| entry.key.span.start.byte);
        for entry in pieces.iter().rev() {
            let value = &entry.node.span;
            let end = value.end.byte as usize - line_start;
            let mut begin = entry.key.span.start.byte as usize - line_start;
            while head[..begin].ends_with(' ') {
                begin -= 1;
            }
            head.replace_range(begin..end, "");
        }
        for entry in pieces {
            let value = &self.text[entry.node.span.start.byte as usize..entry.node.span.end.byte as usize];
            kept.push_str(&format!(
                "{indent}    {}{} {value}\n",
                self.mark(),
                entry.key.text
            ));
        }
        let below = below.map_or(String::new(), |below| format!("{indent}    {below}\n"));
        match head.trim_end().ends_with('{') {
            true => format!("{head}{below}{kept}"),
            false => format!("{} {{\n{below}{kept}{indent}}}\n", head.trim_end()),
        }
    }

    /// The lines of an entry, from nought: those of its keys and values, and what closes them.
    fn lines_of(&self, entry: &Entry) -> BTreeSet<usize> {
        let mut lines = BTreeSet::new();
        spans(entry, &mut |span| {
            lines.extend(span.start.line as usize - 1..span.end.line as usize);
        });
        let all: Vec<&str> = self.text.lines().collect();
        let mut open = 0;
        let mut number = lines.first().copied().unwrap_or(0);
        while let Some(line) = all.get(number) {
            if lines.contains(&number) || open > 0 {
                lines.insert(number);
                open += depth(line);
            } else if lines.range(number..).next().is_none() {
                break;
            }
            number += 1;
        }
        lines
    }

    /// The text with another value behind those of a list.
    fn appended(&self, list: &Entry, value: &str) -> Option<String> {
        let Value::List(items) = &list.node.value else {
            return None;
        };
        let mut text = self.text.to_owned();
        let between = match self.syntax {
            Syntax::Toml => ", ",
            Syntax::Kdl => " ",
        };
        match items.last() {
            Some(last) => text.insert_str(self.end_of(last)?, &format!("{between}{value}")),
            None => {
                let start = list.node.span.start.byte as usize;
                let bracket = start + self.text.get(start..)?.find('[')? + 1;
                text.insert_str(bracket, value);
            }
        }
        Some(text)
    }

    /// Behind a value. A table's own place is its head; in TOML it ends with its bracket.
    fn end_of(&self, node: &Node) -> Option<usize> {
        let mut end = node.span.end.byte as usize;
        values(node, &mut |span| end = end.max(span.end.byte as usize));
        let closes = matches!(node.value, Value::Table(_)) && self.text.get(..end)?.ends_with('}');
        match (&node.value, closes) {
            (Value::Table(_), false) => {
                let rest = self.text.get(end..)?;
                let bracket = rest.find('}')?;
                // Nothing but its end stands there.
                rest[..bracket]
                    .trim()
                    .trim_end_matches(',')
                    .trim()
                    .is_empty()
                    .then_some(end + bracket + 1)
            }
            _ => Some(end),
        }
    }

    /// The text with a field that the object does not have yet.
    fn with(&self, field: &str, value: &str) -> Option<String> {
        let nested = match field.split_once('.') {
            None => format!("    {field} {value:?}\n"),
            Some((first, last)) => format!("    {first} {{\n        {last} {value:?}\n    }}\n"),
        };
        self.with_text(field, &format!("{value:?}"), &nested)
    }

    /// The text with a field that the object does not have yet: its value as TOML writes it, or its lines as KDL does.
    fn with_text(&self, field: &str, value: &str, nodes: &str) -> Option<String> {
        let name = &self.object.name.span;
        let (start, end) = (name.start.byte as usize, name.end.byte as usize);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[end..]
            .find('\n')
            .map_or(self.text.len(), |at| end + at + 1);
        let rest = self.text[end..line_end].trim_end();
        let indent = &self.text[line_start..start];
        let indent = &indent[..indent.len() - indent.trim_start().len()];
        let (place, line) = match self.syntax {
            Syntax::Toml if rest.starts_with(']') => (line_end, format!("{indent}{field} = {value}\n")),
            Syntax::Toml if rest.starts_with('.') => {
                let before = &self.text[line_start..end];
                (line_start, format!("{before}.{field} = {value}\n"))
            }
            Syntax::Toml => {
                let brace = end + rest.find('{')? + 1;
                (brace, format!(" {field} = {value},"))
            }
            Syntax::Kdl if rest.ends_with('{') => {
                let lines: String = nodes
                    .split_inclusive('\n')
                    .map(|line| format!("{indent}{line}"))
                    .collect();
                (line_end, lines)
            }
            // A head that has nothing below it: anything else on its line might be its end.
            Syntax::Kdl if !unquoted(rest).contains(['{', '}', ';', '/', '\\', '"']) => {
                let lines: String = nodes
                    .split_inclusive('\n')
                    .map(|line| format!("{indent}{line}"))
                    .collect();
                (end + rest.len(), format!(" {{\n{lines}{indent}}}"))
            }
            Syntax::Kdl => return None,
        };
        let mut text = self.text.to_owned();
        text.insert_str(place, &line);
        Some(text)
    }

    /// The file as edited, if it then says what is wanted.
    fn checked(
        &self,
        files: &[SourceFile],
        edited: Option<String>,
        lines: String,
        says: impl Fn(&Parsed, &[SourceFile]) -> bool,
    ) -> Result<SourceFile, NotRevised> {
        let by_hand = || NotRevised::ByHand {
            object: self.object.to_string(),
            file: self.path.to_owned(),
            lines: lines.clone(),
        };
        let edited = SourceFile {
            path: self.path.to_owned(),
            bytes: edited.ok_or_else(by_hand)?.into_bytes(),
        };
        let mut after = files.to_vec();
        for file in after.iter_mut().filter(|file| file.path == edited.path) {
            file.clone_from(&edited);
        }
        match says(&parse(&after), &after) {
            true => Ok(edited),
            false => Err(by_hand()),
        }
    }
}
