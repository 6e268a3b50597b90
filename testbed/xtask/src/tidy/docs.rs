//! Paths that the documentation names must exist.

/// What a path of ours begins with, as documentation writes it from the root.
const TOPS: [&str; 8] = [
    "schema/",
    "reconciler/",
    "rack/",
    "testbed/",
    "examples/",
    "docs/",
    ".ci/",
    ".cargo/",
];

/// Paths in code spans and relative links of one page that `exists` does not know, as `path:line: what`.
pub(crate) fn check(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut is_fenced = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
            continue;
        }
        if is_fenced {
            continue;
        }
        let spans = line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|span| is_path(span))
            .map(str::to_owned);
        let links = link_targets(line).filter_map(|target| resolve(folder, target));
        for named in spans.chain(links).filter(|named| !exists(named)) {
            findings.push(format!("{path}:{}: {named} does not exist", at + 1));
        }
    }
    findings
}

/// A path from the root, and not a pattern or an example.
fn is_path(span: &str) -> bool {
    let plain = span
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    plain && TOPS.iter().any(|top| span.starts_with(top))
}

/// The targets of `[text](target)`.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// A relative link as a path from the root; none for links to elsewhere or within the page.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or_default();
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            // A link that leaves the tree names nothing in it, so what is left of it will not exist.
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
