//! Scripts are there, can be run, and write only where that is meant: M0515, M0516, M0517.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::script::{Script, ScriptPhase},
    suggest::nearest,
};

/// Looks at every script, and at who runs it.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, script) in &subject.draft.scripts {
        let object = format!("script.{name}");
        let told = file(subject, script).into_iter().chain(destroys(script));
        found.extend(told.map(|one| one.in_object(&object)));
    }
    for (name, machine) in &subject.draft.machines {
        for named in &machine.commissioning {
            let script = subject.draft.scripts.get(&named.name);
            let other = script.filter(|script| script.phase.value != ScriptPhase::Commissioning);
            if let Some(script) = other {
                let title = format!("script \"{named}\" is not for inspections");
                found.push(
                    Diagnostic::error(Code::M0517, title, &named.span, "inspections run this")
                        .also(&script.phase.span, format!("its phase is {}", script.phase.value))
                        .in_object(format!("machine.{name}")),
                );
            }
        }
    }
}

fn file(subject: &Subject<'_>, script: &Script) -> Option<Diagnostic> {
    let file = &script.file;
    let Some(bytes) = subject.files.get(file.as_str()) else {
        let title = format!("there is no file \"{}\"", file.value);
        let label = "a file of the repository is wanted, from its root";
        let diagnostic = Diagnostic::error(Code::M0515, title, &file.span, label);
        return Some(match nearest(file.as_str(), subject.files.keys().copied()) {
            Some(near) => diagnostic.help(format!("did you mean \"{near}\"?")),
            None => diagnostic,
        });
    };
    (!bytes.starts_with(b"#!/")).then(|| {
        let title = format!("nothing says what runs \"{}\"", file.value);
        Diagnostic::error(
            Code::M0516,
            title,
            &file.span,
            "its first line does not begin with #!/",
        )
        .help("for example  #!/bin/sh")
    })
}

/// Only what runs beside an installation or a release may write to disks.
fn destroys(script: &Script) -> Option<Diagnostic> {
    let phase = script.phase.value;
    let harmless = matches!(phase, ScriptPhase::Commissioning | ScriptPhase::Test);
    (script.destructive && harmless).then(|| {
        let title = format!("a script of phase {phase} may not write to disks");
        Diagnostic::error(
            Code::M0517,
            title,
            &script.phase.span,
            "a machine in this phase may hold data",
        )
        .help("before-deploy and release are the phases in which disks are erased anyway")
    })
}
