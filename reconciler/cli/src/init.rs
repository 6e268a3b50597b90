//! `muster init`: the beginning of a fleet repository that passes `muster check` as it is.
//!
//! One commented fleet file, the schema that editors complete from, who must agree to changes, a git hook, and what a
//! forge runs for each pull request. It asks a person at a terminal, and nobody else; it writes over nothing: where one
//! of its files is there already, none is written.

mod interview;

use crate::arguments::{Forge, Init, Syntax};
use crate::exit::{Exit, Failure};
use crate::say::{say, say_json};
use crate::schema::PLACE;
use schema_ids::Name;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The beginning in each syntax; a test holds that both say the same.
const TOML: &str = include_str!("init/fleet.toml");
const KDL: &str = include_str!("init/fleet.kdl");

/// Stands for the fleet's name.
const NAME: &str = "FLEET";

const CODEOWNERS: &str = include_str!("init/CODEOWNERS");
const HOOK: &str = include_str!("init/pre-commit");
const GITHUB: &str = include_str!("init/github.yml");
const GITLAB: &str = include_str!("init/gitlab.yml");
const FORGEJO: &str = include_str!("init/forgejo.yml");

/// What a person or the flags said.
#[derive(Debug)]
struct Answers {
    name: Name,
    format: Syntax,
    ci: Forge,
    owners: Option<String>,
    hook: bool,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            name: "lab".parse().expect("lab is a name"),
            format: Syntax::Toml,
            ci: Forge::None,
            owners: None,
            hook: true,
        }
    }
}

/// A file to be written, from the repository's root.
struct Written {
    path: &'static str,
    text: String,
    is_program: bool,
}

impl Written {
    fn text(path: &'static str, text: impl Into<String>) -> Self {
        Self {
            path,
            text: text.into(),
            is_program: false,
        }
    }
}

/// Writes the repository and says what to do next.
pub(crate) fn run(wish: &Init, json: bool) -> Result<Exit, Failure> {
    let answers = answers(wish, json)?;
    let files = files(&answers)?;
    let folder = &wish.folder;
    // The other syntax is in the way as well: two fleets in one folder are one mistake.
    let others = ["fleet.toml", "fleet.kdl"];
    let mut all = others.into_iter().chain(files.iter().map(|file| file.path));
    if let Some(path) = all.find(|path| folder.join(path).symlink_metadata().is_ok()) {
        return Err(in_the_way(&folder.join(path)));
    }
    for file in &files {
        write(folder, file)?;
    }
    if json {
        let written: Vec<_> = files
            .iter()
            .map(|file| folder.join(file.path).display().to_string())
            .collect();
        say_json(
            serde_json::json!({ "format": "muster.init/1.0", "fleet": answers.name, "written": written }),
        )?;
    } else {
        say(next_steps(&files, &answers, folder))?;
    }
    Ok(Exit::Done)
}

/// What the flags say, and what a person at a terminal says where there is no flag.
fn answers(wish: &Init, json: bool) -> Result<Answers, Failure> {
    let said = wish.name.is_some()
        || wish.format.is_some()
        || wish.ci.is_some()
        || wish.owners.is_some()
        || wish.no_hook;
    let is_asked = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if is_asked && !said && !wish.yes && !json {
        return interview::ask(std::io::stdin().lock(), std::io::stdout().lock());
    }
    let defaults = Answers::default();
    Ok(Answers {
        name: wish.name.clone().unwrap_or(defaults.name),
        format: wish.format.unwrap_or(defaults.format),
        ci: wish.ci.unwrap_or(defaults.ci),
        owners: wish.owners.clone(),
        hook: !wish.no_hook,
    })
}

fn files(answers: &Answers) -> Result<Vec<Written>, Failure> {
    let (file, text, syntax) = match answers.format {
        Syntax::Toml => ("fleet.toml", TOML, schema_fleet::Syntax::Toml),
        Syntax::Kdl => ("fleet.kdl", KDL, schema_fleet::Syntax::Kdl),
    };
    // A name may begin with a digit or hold a dot, which either syntax takes in quotes only; the formatter takes
    // them away where they need not be.
    let mut text = text.replacen(NAME, &format!("\"{}\"", answers.name), 1);
    if answers.format == Syntax::Toml {
        text = format!("#:schema {PLACE}\n\n{text}");
    }
    let text = schema_fleet::format(file, &text, syntax, syntax).map_err(|told| {
        Failure::Other(format!(
            "this program's own beginning of a fleet is wrong: {told:?}"
        ))
    })?;
    let mut files = vec![Written::text(file, text)];
    if answers.format == Syntax::Toml {
        files.push(Written::text(
            PLACE,
            format!("{:#}\n", schema_fleet::schema::json_schema()),
        ));
    }
    let owners = answers
        .owners
        .as_ref()
        .map_or(String::new(), |owners| format!("*  {owners}\n"));
    files.push(Written::text("CODEOWNERS", format!("{CODEOWNERS}{owners}")));
    if answers.hook {
        files.push(Written {
            is_program: true,
            ..Written::text(".githooks/pre-commit", HOOK)
        });
    }
    files.extend(match answers.ci {
        Forge::None => None,
        Forge::Github => Some(Written::text(".github/workflows/fleet.yml", GITHUB)),
        Forge::Gitlab => Some(Written::text(".gitlab-ci.yml", GITLAB)),
        Forge::Forgejo => Some(Written::text(".forgejo/workflows/fleet.yml", FORGEJO)),
    });
    Ok(files)
}

/// Writes a file that is not there yet.
fn write(folder: &Path, file: &Written) -> Result<(), Failure> {
    let path = folder.join(file.path);
    let parent = path.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(|source| Failure::File {
        what: "make the folder",
        path: parent.to_owned(),
        source,
    })?;
    let mode = if file.is_program { 0o777 } else { 0o666 };
    let mut made: File = match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&path)
    {
        Ok(made) => made,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(in_the_way(&path)),
        Err(source) => {
            return Err(Failure::File {
                what: "write",
                path,
                source,
            });
        }
    };
    made.write_all(file.text.as_bytes())
        .and_then(|()| made.sync_all())
        .map_err(|source| Failure::File {
            what: "write",
            path,
            source,
        })
}

fn in_the_way(path: &Path) -> Failure {
    Failure::Other(format!(
        "{} is in the way, and nothing is written over: name another folder, or take it away first",
        path.display()
    ))
}

fn next_steps(files: &[Written], answers: &Answers, folder: &Path) -> String {
    let written: String = files
        .iter()
        .map(|file| format!("Wrote {}\n", folder.join(file.path).display()))
        .collect();
    let folder = folder.display();
    let hook = match answers.hook {
        true => format!(
            "\x20                                                       git -C {folder} config core.hooksPath .githooks\n"
        ),
        false => String::new(),
    };
    // The other forges give their jobs one that may comment.
    let token = match answers.ci {
        Forge::Gitlab => {
            "\x20 6. Give GitLab's jobs the masked variable MUSTER_FORGE_TOKEN: a project access token, scope api, role Reporter,\n\
             \x20    never above: whoever may push a branch can read it\n"
        }
        Forge::None | Forge::Github | Forge::Forgejo => "",
    };
    format!(
        "{written}\n\
         Next:\n\
         \x20 1. Put your own names and addresses into it, then    muster check {folder}\n\
         \x20 2. Keep it in git:                                    git -C {folder} init -b main\n\
         {hook}\
         \x20 3. Build the system that machines boot, and put the lines that it prints into the fleet:\n\
         \x20                                                       muster image build ephemeral --out images\n\
         \x20 4. Commit, and let musterd follow the repository:     musterd run --repository {folder}\n\
         \x20 5. Boot a machine from the network; its fleet lines:  muster machine discovered --patch\n\
         {token}",
    )
}
