//! What a person sees of the demo: bars on a terminal, lines elsewhere, JSON lines for programs; never a long
//! silence.
//!
//! A step says what it does, what it has seen, and at its end what it took. All printing of the demo is here.

use crate::error::{Result, chain};
use crate::process_table;
use crate::run::Run;
use crate::{namespace, program};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Nobody should wonder whether it still runs: a sign of life after so long without another.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How often the silence is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A bar moves so often.
const DRAW_EVERY: Duration = Duration::from_millis(250);
/// What a machine waits for is news at once; how far it is meanwhile, so often.
const NEWS_EVERY: Duration = Duration::from_secs(8);

/// Where it is shown.
enum Form {
    Bars(Bars),
    Lines,
    Json,
}

struct Bars {
    all: MultiProgress,
    step: ProgressBar,
    machines: RefCell<BTreeMap<String, ProgressBar>>,
}

/// What is going on, for the sign of life.
struct Now {
    step: String,
    doing: String,
    began: Instant,
    said: Instant,
}

/// A finished step.
pub(crate) struct Done {
    pub(crate) title: &'static str,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
}

/// The screen, or what stands in for it.
pub(crate) struct Show {
    form: Form,
    now: Arc<Mutex<Now>>,
    life: Option<(Sender<()>, JoinHandle<()>)>,
    began: Instant,
    total: usize,
    run: RefCell<Option<Run>>,
    shown: RefCell<BTreeMap<String, (Moment, Instant)>>,
    done: RefCell<Vec<Done>>,
}

/// What a machine is at, for its bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) headline: String,
    pub(crate) evidence: String,
    pub(crate) percent: Option<u64>,
}

impl Show {
    /// For so many steps.
    pub(crate) fn new(json: bool, total: usize) -> Self {
        let form = if json {
            Form::Json
        } else if std::io::stdout().is_terminal() && std::io::stderr().is_terminal() {
            Form::Bars(Bars::new(total))
        } else {
            Form::Lines
        };
        let instant = Instant::now();
        let now = Arc::new(Mutex::new(Now {
            step: String::new(),
            doing: String::new(),
            began: instant,
            said: instant,
        }));
        let life = (!matches!(form, Form::Bars(_))).then(|| signs_of_life(Arc::clone(&now), json));
        Self {
            form,
            now,
            life,
            began: instant,
            total,
            run: RefCell::new(None),
            shown: RefCell::new(BTreeMap::new()),
            done: RefCell::new(Vec::new()),
        }
    }

    /// From now on, what the run's programs spend is on the steps' bills.
    pub(crate) fn bill(&self, run: &Run) {
        *self.run.borrow_mut() = Some(run.clone());
    }

    /// Whether programs read us.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.form, Form::Json)
    }

    /// Does one step, and says what it took.
    pub(crate) fn step<T>(
        &self,
        name: &'static str,
        title: &'static str,
        act: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let number = self.done.borrow().len() + 1;
        let began = Instant::now();
        let spent = self.spent();
        {
            let mut now = self.now();
            title.clone_into(&mut now.step);
            now.doing.clear();
        }
        match &self.form {
            Form::Bars(bars) => bars.step.set_message(title),
            Form::Lines => self.print(&format!("\n[{number}/{}] {title}", self.total)),
            Form::Json => self.print_json(&json!({ "event": "begin", "step": name, "title": title })),
        }
        let done = act();
        let seconds = began.elapsed().as_secs_f64();
        let cpu_seconds = self.spent().saturating_sub(spent).as_secs_f64();
        let mark = if done.is_ok() { "done" } else { "FAILED" };
        match &self.form {
            Form::Bars(bars) => {
                bars.step.inc(1);
                self.print(&format!(
                    "[{number}/{}] {title}: {mark}, {seconds:.0} s, {cpu_seconds:.0} CPU-s\n",
                    self.total
                ));
            }
            Form::Lines => self.print(&format!("{mark}: {seconds:.1} s, {cpu_seconds:.1} CPU-seconds")),
            Form::Json => self.print_json(&json!({
                "event": "step", "step": name, "title": title, "passed": done.is_ok(),
                "seconds": tenths(seconds), "cpu_seconds": tenths(cpu_seconds),
                "error": done.as_ref().err().map(|error| chain(error)),
            })),
        }
        self.done.borrow_mut().push(Done {
            title,
            seconds,
            cpu_seconds,
        });
        done
    }

    /// Something for the person to read.
    pub(crate) fn say(&self, text: &str) {
        match &self.form {
            Form::Bars(_) | Form::Lines => self.print(text),
            Form::Json => self.print_json(&json!({ "event": "said", "text": text })),
        }
    }

    /// A command as the person would type it, and what it said.
    pub(crate) fn command(&self, line: &str, output: &str) {
        let output = output.trim_end();
        match &self.form {
            Form::Bars(_) | Form::Lines => {
                let indented: Vec<String> = output.lines().map(|line| format!("    {line}")).collect();
                self.print(&format!("  $ {line}\n{}", indented.join("\n")));
            }
            Form::Json => {
                self.print_json(&json!({ "event": "command", "command": line, "output": output }));
            }
        }
    }

    /// Something that was looked at and is so.
    pub(crate) fn seen(&self, fact: &str) {
        match &self.form {
            Form::Bars(_) | Form::Lines => self.print(&format!("  seen: {fact}")),
            Form::Json => self.print_json(&json!({ "event": "seen", "fact": fact })),
        }
    }

    /// What goes on beside machines.
    pub(crate) fn doing(&self, line: &str) {
        line.clone_into(&mut self.now().doing);
        match &self.form {
            Form::Bars(bars) => {
                let step = self.now().step.clone();
                bars.step.set_message(format!("{step}: {line}"));
            }
            Form::Lines => self.print(&format!("  {line}")),
            Form::Json => self.print_json(&json!({ "event": "progress", "doing": line })),
        }
    }

    /// Where a machine stands. What has not changed is not said again.
    pub(crate) fn machine(&self, name: &str, moment: &Moment) {
        let Moment {
            headline,
            evidence,
            percent,
        } = moment;
        if let Form::Bars(bars) = &self.form {
            return bars.machine(name, moment);
        }
        self.now().doing = format!("{name:<14} {headline}  {evidence}");
        let is_news = match self.shown.borrow().get(name) {
            None => true,
            Some((before, _)) if before == moment => false,
            Some((before, at)) => before.headline != *headline || at.elapsed() >= NEWS_EVERY,
        };
        if !is_news {
            return;
        }
        let now = (moment.clone(), Instant::now());
        self.shown.borrow_mut().insert(name.to_owned(), now);
        if self.is_json() {
            self.print_json(&json!({
                "event": "machine", "machine": name, "doing": headline, "evidence": evidence,
                "percent": percent,
            }));
        } else {
            let seconds = self.began.elapsed().as_secs();
            self.print(&format!("{seconds:6} s  {name:<14} {headline}  {evidence}"));
        }
    }

    /// A machine is no longer watched.
    pub(crate) fn forget(&self, name: &str) {
        self.shown.borrow_mut().remove(name);
        if let Form::Bars(bars) = &self.form
            && let Some(bar) = bars.machines.borrow_mut().remove(name)
        {
            bar.finish_and_clear();
        }
    }

    /// Runs a program whose progress is on its standard error, and hands back its standard output.
    pub(crate) fn relay(&self, command: &mut Command) -> Result<String> {
        program::relay(command.stdin(Stdio::null()), |line| self.doing(line))
    }

    /// All steps so far with what they took, and the whole.
    pub(crate) fn table(&self) -> String {
        let done = self.done.borrow();
        let mut lines: Vec<String> = done
            .iter()
            .map(|step| format!("{:>8.1} {:>8.1}  {}", step.seconds, step.cpu_seconds, step.title))
            .collect();
        lines.insert(0, format!("{:>8} {:>8}  step", "seconds", "CPU"));
        let cpu: f64 = done.iter().map(|step| step.cpu_seconds).sum();
        lines.push(format!(
            "{:>8.1} {cpu:>8.1}  all",
            self.began.elapsed().as_secs_f64()
        ));
        lines.join("\n")
    }

    /// Takes the bars away.
    pub(crate) fn end(&self) {
        if let Form::Bars(bars) = &self.form {
            bars.machines
                .borrow()
                .values()
                .for_each(ProgressBar::finish_and_clear);
            bars.step.finish_and_clear();
        }
    }

    /// What this process, the run's programs and its machines have spent so far.
    fn spent(&self) -> Duration {
        let whole = |pid| {
            process_table::status(pid)
                .map_or(Duration::ZERO, |status| status.spent + status.spent_by_children)
        };
        let own = whole(std::process::id());
        let run = self.run.borrow();
        let inside = run
            .as_ref()
            .and_then(|run| namespace::pids(&run.namespace()).ok());
        inside
            .unwrap_or_default()
            .into_iter()
            .fold(own, |sum, pid| sum + whole(pid))
    }

    fn print(&self, text: &str) {
        self.now().said = Instant::now();
        match &self.form {
            Form::Bars(bars) => bars.all.suspend(|| line_out(text)),
            Form::Lines | Form::Json => line_out(text),
        }
    }

    fn print_json(&self, document: &Value) {
        self.print(&document.to_string());
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        lock(&self.now)
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        if let Some((stop, life)) = self.life.take() {
            drop(stop);
            // It only prints; if that panicked there is nobody left to tell.
            drop(life.join());
        }
    }
}

impl Bars {
    fn new(total: usize) -> Self {
        let all = MultiProgress::new();
        let step = all.add(ProgressBar::new(total as u64));
        step.set_style(style("{spinner} [{pos}/{len}] {wide_msg} {elapsed}"));
        step.enable_steady_tick(DRAW_EVERY);
        Self {
            all,
            step,
            machines: RefCell::new(BTreeMap::new()),
        }
    }

    fn machine(&self, name: &str, moment: &Moment) {
        let mut machines = self.machines.borrow_mut();
        let bar = machines.entry(name.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new(100));
            bar.set_style(style("  {prefix:14} {bar:20} {wide_msg}"));
            bar.set_prefix(name.to_owned());
            bar
        });
        bar.set_position(moment.percent.unwrap_or(0));
        bar.set_message(format!("{}  {}", moment.headline, moment.evidence));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are constants that are tried by each demo")
}

/// To one tenth of a second.
fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

fn line_out(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that is gone has seen enough; the demo's own end stands.
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

fn lock(now: &Mutex<Now>) -> MutexGuard<'_, Now> {
    // What a panic in printing left is still only text.
    now.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says that it still runs whenever nothing else was said for long.
fn signs_of_life(now: Arc<Mutex<Now>>, json: bool) -> (Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = mpsc::channel();
    let life = thread::spawn(move || {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK_EVERY) {
            let mut now = lock(&now);
            if now.said.elapsed() < SILENCE_MAX || now.step.is_empty() {
                continue;
            }
            let (seconds, doing) = (now.began.elapsed().as_secs(), &now.doing);
            line_out(&if json {
                json!({ "event": "alive", "seconds": seconds, "doing": doing }).to_string()
            } else {
                format!("{seconds:6} s  still: {doing}")
            });
            now.said = Instant::now();
        }
    });
    (stop, life)
}
