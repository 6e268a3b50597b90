//! Budgets: how much may be out of service at once, and when.

use crate::{
    kind::{kind, table, words},
    span::Spanned,
    value::{
        hours::Hours, interval::Interval, percent::Percent, selector::Selector, share::Share,
        time_zone::TimeZone,
    },
};
use schema_ids::Name;

kind! {
    /// How much may be out of service at once, in which order, and when. It holds over all plans together.
    "budget" in budgets: Budget {
        /// What it is about: `deployment:web-*`, `pool:compute`.
        live targets: Vec<Spanned<Selector>>,
        /// The most that may be out of service: a number of machines, or a share such as `10%`.
        live max_unavailable: Spanned<Share>,
        /// After so many failures nothing more is begun until a person says so; 0 is never.
        live halt_after_failures: u32 = 1,
        /// How long a machine must have been well before the next one is begun.
        live soak: Option<Spanned<Interval>>,
        /// When something may be begun. Without one, always.
        live window: Option<Window>,
        /// Who goes first: each wave ends before the next begins.
        live wave: Vec<Wave>,
    }
}

table! {
    /// When something may be begun.
    Window {
        /// Days of the week; all if none is given.
        live days: Vec<Spanned<Day>>,
        /// Hours of the day: `09:00-16:00`; over midnight if the end is not behind the start.
        live hours: Spanned<Hours>,
        /// Where it is that time.
        live time_zone("tz"): Spanned<TimeZone>,
    }
}

words! {
    /// A day of the week.
    Day {
        /// Monday.
        Mon = "mon",
        /// Tuesday.
        Tue = "tue",
        /// Wednesday.
        Wed = "wed",
        /// Thursday.
        Thu = "thu",
        /// Friday.
        Fri = "fri",
        /// Saturday.
        Sat = "sat",
        /// Sunday.
        Sun = "sun",
    }
}

table! {
    /// Machines that go together.
    Wave {
        /// Its name.
        live name: Spanned<Name>,
        /// How many machines.
        live machines: Option<Spanned<u32>>,
        /// Or how large a share of those the budget is about, in percent.
        live percent: Option<Spanned<Percent>>,
    }
}
