//! What measurements have in common: a process of its own for each, medians, and Terraform.

use nix::sys::resource::{UsageWho, getrusage};
use schema_fleet::{Fleet, SourceFile};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Wall time in milliseconds and memory in KiB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    pub(crate) ms: f64,
    pub(crate) kib: f64,
}

impl Sample {
    /// Of the two numbers that a measurement prints.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let (ms, kib) = text.trim().split_once(' ').ok_or("two numbers are wanted")?;
        Ok(Self {
            ms: ms.parse()?,
            kib: kib.parse()?,
        })
    }
}

/// Starts this program again for one measurement; it prints two numbers.
pub(crate) fn measured(arguments: &[&str]) -> Result<Sample> {
    Ok(measured_saying(arguments)?.0)
}

/// The same of one that prints a line more.
pub(crate) fn measured_saying(arguments: &[&str]) -> Result<(Sample, String)> {
    let output = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{arguments:?} failed").into());
    }
    let text = String::from_utf8(output.stdout)?;
    let mut lines = text.lines();
    let sample = Sample::read(lines.next().unwrap_or_default())?;
    Ok((sample, lines.next().unwrap_or_default().to_owned()))
}

/// Runs one command, and prints how long it took and its memory at its largest.
pub(crate) fn one(command: &[String]) -> Result<()> {
    let (program, arguments) = command.split_first().ok_or("which command?")?;
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        // Settings of Terraform that need not be there.
        .env_remove("TF_CLI_CONFIG_FILE")
        .stdout(Stdio::null())
        .status()?;
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    if !status.success() {
        return Err(format!("{program} failed").into());
    }
    println!("{ms} {}", getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss());
    Ok(())
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    read(folder, "", &mut files)?;
    Ok(files)
}

/// What they say.
pub(crate) fn fleet(files: &[SourceFile]) -> Result<Fleet> {
    Ok(schema_fleet::parse(files).fleet.ok_or("the fleet is not right")?)
}

fn read(folder: &Path, prefix: &str, files: &mut Vec<SourceFile>) -> Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(folder)?.collect::<std::result::Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| "a name that is no text")?;
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{prefix}{name}/"), files)?;
        } else {
            files.push(SourceFile {
                path: format!("{prefix}{name}"),
                bytes: std::fs::read(entry.path())?,
            });
        }
    }
    Ok(())
}

/// The middle of each.
pub(crate) fn median(samples: &[Sample]) -> Sample {
    let middle = |of: fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Sample {
        ms: middle(|sample| sample.ms),
        kib: middle(|sample| sample.kib),
    }
}

/// A terraform on the PATH, with a resource of its own for each machine; its built-in provider needs no download.
pub(crate) struct Terraform {
    program: String,
    folder: PathBuf,
}

impl Terraform {
    /// Makes a folder of configuration for the machines of a fleet, below `parent`; `None` if there is no terraform.
    pub(crate) fn prepare(parent: &Path, fleet: &Fleet) -> Result<Option<Self>> {
        let Some(path) = std::env::var_os("PATH") else {
            return Ok(None);
        };
        let mut programs = std::env::split_paths(&path).map(|folder| folder.join("terraform"));
        let Some(program) = programs.find(|program| program.is_file()) else {
            return Ok(None);
        };
        let terraform = Self {
            program: program.display().to_string(),
            folder: parent.join("terraform"),
        };
        std::fs::create_dir_all(&terraform.folder)?;
        terraform.write(fleet, "first")?;
        terraform.run(&["init", "-input=false"])?;
        Ok(Some(terraform))
    }

    /// Writes a resource for each machine; each says which image.
    pub(crate) fn write(&self, fleet: &Fleet, image: &str) -> Result<()> {
        let resources: serde_json::Map<_, _> = inputs(fleet, image)
            .map(|(key, input)| (key, json!({ "input": input })))
            .collect();
        let text = json!({ "resource": { "terraform_data": resources } }).to_string();
        Ok(std::fs::write(self.folder.join("main.tf.json"), text)?)
    }

    /// Writes the state of all of them made. Terraform itself would write it anew after each of them: for ten thousand
    /// it takes the better part of an hour, and comes to the same bytes but for the ids.
    pub(crate) fn made(&self, fleet: &Fleet, image: &str) -> Result<()> {
        let resource = |(at, (name, input)): (usize, (String, Value))| {
            let value = json!({ "value": input, "type": type_of(&input) });
            let attributes = json!({
                "id": format!("00000000-0000-4000-8000-{at:012}"),
                "input": value, "output": value, "triggers_replace": null,
            });
            json!({
                "mode": "managed", "type": "terraform_data", "name": name,
                "provider": "provider[\"terraform.io/builtin/terraform\"]",
                "instances": [{ "schema_version": 0, "attributes": attributes, "sensitive_attributes": [] }],
            })
        };
        let resources: Vec<Value> = inputs(fleet, image).enumerate().map(resource).collect();
        let state = json!({
            "version": 4, "serial": 1, "lineage": "00000000-0000-4000-8000-000000000000",
            "outputs": {}, "resources": resources, "check_results": null,
        });
        Ok(std::fs::write(
            self.folder.join("terraform.tfstate"),
            state.to_string(),
        )?)
    }

    /// Runs one of its commands, measured.
    pub(crate) fn run(&self, words: &[&str]) -> Result<Sample> {
        let chdir = format!("-chdir={}", self.folder.display());
        let command = ["one", "--", &self.program, &chdir];
        measured(&[&command, words].concat())
    }

    /// Plans, alone.
    pub(crate) fn plan(&self) -> Result<Sample> {
        self.run(&["plan", "-input=false", "-lock=false"])
    }
}

impl Drop for Terraform {
    fn drop(&mut self) {
        // What is left is below a scratch folder that is removed anyway.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What is said of each machine, by the name of its resource.
fn inputs<'a>(fleet: &'a Fleet, image: &'a str) -> impl Iterator<Item = (String, Value)> + 'a {
    fleet.machines.iter().map(move |(name, machine)| {
        let nics: BTreeMap<&str, String> = machine
            .nic
            .iter()
            .map(|(port, nic)| (port.as_str(), nic.mac.value.to_string()))
            .collect();
        let serial = machine.serial.as_ref().map(|serial| serial.value.clone());
        let key = format!("m_{}", name.as_str().replace(['.', '-'], "_"));
        (
            key,
            json!({ "name": name.as_str(), "serial": serial, "nics": nics, "image": image }),
        )
    })
}

/// The type that Terraform keeps beside a value.
fn type_of(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let types: serde_json::Map<_, _> = fields
                .iter()
                .map(|(name, field)| (name.clone(), type_of(field)))
                .collect();
            json!(["object", types])
        }
        Value::String(_) => json!("string"),
        _ => json!("dynamic"),
    }
}
