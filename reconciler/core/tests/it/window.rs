//! Windows: days, hours, over midnight, and the two days of a year that have another length.

use reconciler_core::window::Window;
use schema_ids::Timestamp;

fn window(days: &str, hours: &str, zone: &str) -> Window {
    let time = |text: &str| {
        let (hour, minute) = text.split_once(':').unwrap();
        hour.parse::<u16>().unwrap() * 60 + minute.parse::<u16>().unwrap()
    };
    let (from, to) = hours.split_once('-').unwrap();
    serde_json::from_value(serde_json::json!({
        "days": days.split(',').collect::<Vec<_>>(), "from": time(from), "to": time(to), "zone": zone
    }))
    .unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// When a window is open at a time, and else when it opens.
fn check(window: &Window, now: &str, opens: Option<&str>) {
    let now = at(now);
    assert_eq!(window.is_open(now), opens.is_none(), "{window} at {now}");
    if let Some(opens) = opens {
        assert_eq!(window.opens(now), Some(at(opens)), "{window} at {now}");
        assert!(window.is_open(at(opens)), "{window} is not open when it opens");
    }
}

#[test]
fn hours_of_days() {
    let work = window("mon,tue,wed,thu,fri", "09:00-16:00", "Europe/Amsterdam");
    assert_eq!(work.to_string(), "mon-fri 09:00-16:00 Europe/Amsterdam");
    // 2026-11-20 is a Friday; Amsterdam is an hour ahead of UTC.
    check(&work, "2026-11-20T07:59:59Z", Some("2026-11-20T08:00:00Z"));
    check(&work, "2026-11-20T08:00:00Z", None);
    check(&work, "2026-11-20T14:59:59Z", None);
    check(&work, "2026-11-20T15:00:00Z", Some("2026-11-23T08:00:00Z"));
    check(&work, "2026-11-22T12:00:00Z", Some("2026-11-23T08:00:00Z"));
}

#[test]
fn over_midnight_belongs_to_the_day_on_which_it_begins() {
    let night = window("fri", "22:00-04:00", "UTC");
    assert_eq!(night.to_string(), "fri 22:00-04:00 UTC");
    check(&night, "2026-11-20T21:59:59Z", Some("2026-11-20T22:00:00Z"));
    check(&night, "2026-11-21T03:59:59Z", None);
    check(&night, "2026-11-21T04:00:00Z", Some("2026-11-27T22:00:00Z"));
    check(&night, "2026-11-20T02:00:00Z", Some("2026-11-20T22:00:00Z"));
    let whole = window("sat", "08:00-08:00", "UTC");
    check(&whole, "2026-11-22T07:59:59Z", None);
    check(&whole, "2026-11-22T08:00:00Z", Some("2026-11-28T08:00:00Z"));
    let end = window("mon,tue,sat,sun", "20:00-24:00", "UTC");
    assert_eq!(end.to_string(), "mon,tue,sat,sun 20:00-24:00 UTC");
    check(&end, "2026-11-21T23:59:59Z", None);
    check(&end, "2026-11-23T00:00:00Z", Some("2026-11-23T20:00:00Z"));
}

#[test]
fn summer_time_begins_and_ends() {
    let zone = "Europe/Amsterdam";
    // On 2026-03-29 the clock goes from 02:00 to 03:00: what would begin between begins an hour later.
    let skipped = window("sun", "02:15-05:00", zone);
    check(&skipped, "2026-03-29T00:59:00Z", Some("2026-03-29T01:15:00Z"));
    check(&skipped, "2026-03-29T02:59:00Z", None);
    check(&skipped, "2026-03-29T03:00:00Z", Some("2026-04-05T00:15:00Z"));
    // On 2026-10-25 the hour from 02:00 comes twice: it begins with the first, and is an hour longer.
    let twice = window("sun", "02:15-05:00", zone);
    check(&twice, "2026-10-25T00:14:00Z", Some("2026-10-25T00:15:00Z"));
    check(&twice, "2026-10-25T01:10:00Z", None);
    check(&twice, "2026-10-25T03:59:00Z", None);
    check(&twice, "2026-10-25T04:00:00Z", Some("2026-11-01T01:15:00Z"));
    // Another zone, where it is another day.
    let far = window("mon", "08:00-09:00", "Pacific/Auckland");
    check(&far, "2026-11-22T18:59:00Z", Some("2026-11-22T19:00:00Z"));
}

#[test]
fn an_unknown_zone_never_opens() {
    let lost = window("mon", "08:00-09:00", "Nowhere/Lost");
    assert!(!lost.is_open(at("2026-11-23T08:30:00Z")));
    assert_eq!(lost.opens(at("2026-11-23T08:30:00Z")), None);
}
