//! The files of one hall: its networks, a file for each rack, its deployments.

use super::Syntax;
use super::plan::{Hall, Rack, Sort};
use std::net::Ipv4Addr;

const HALL: [&str; 2] = [include_str!("toml/hall.toml"), include_str!("kdl/hall.kdl")];
const RACK: [&str; 2] = [include_str!("toml/rack.toml"), include_str!("kdl/rack.kdl")];
const MACHINE: [&str; 2] = [include_str!("toml/machine.toml"), include_str!("kdl/machine.kdl")];
const WEB: [&str; 2] = [include_str!("toml/web.toml"), include_str!("kdl/web.kdl")];
const BATCH: [&str; 2] = [include_str!("toml/batch.toml"), include_str!("kdl/batch.kdl")];
const OBJECTS: [&str; 2] = [include_str!("toml/objects.toml"), include_str!("kdl/objects.kdl")];
const DATABASE: [&str; 2] = [
    include_str!("toml/database.toml"),
    include_str!("kdl/database.kdl"),
];

/// The first addresses: of the fleet, and within a hall those of its networks, in addresses.
const FLEET: u32 = 0x0a00_0000;
const HALL_SIZE: u32 = 1 << 14;
const MGMT: u32 = 1 << 12;
const STORAGE: u32 = 1 << 13;
/// Within `pxe`: routers and servers before, machines behind, and at the end those without an address.
const RESERVED_END: u32 = 99;
const DYNAMIC: u32 = (15 << 8) + 1;
const DYNAMIC_END: u32 = (15 << 8) + 250;
/// Within `mgmt`: switches from 1, BMCs from here.
const BMC: u32 = 100;
/// Racks from the first on that have a database: with two of five of its sort, five of a hall.
const DATABASE_RACKS: usize = 11;
/// The first half of every MAC address: of a maker of network controllers.
const MAC: u64 = 0xb8_59_9f_00_00_00;

/// A text with its placeholders, `$zone` and so on, filled.
fn fill(text: &str, values: &[(&str, &str)]) -> String {
    // The longest first: `$machine` begins `$machines`.
    let mut values = values.to_vec();
    values.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    values.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("${name}"), value)
    })
}

/// An address of a hall.
fn address(hall: &Hall, offset: u32) -> String {
    let index = u32::try_from(hall.index).unwrap_or_default();
    Ipv4Addr::from(FLEET + index * HALL_SIZE + offset).to_string()
}

/// Its zone's name.
fn zone(hall: &Hall) -> String {
    format!("z{:02}", hall.index + 1)
}

fn rack_name(hall: &Hall, rack: &Rack) -> String {
    format!("{}-r{:02}", zone(hall), rack.index + 1)
}

/// Its files.
pub(super) fn files(hall: &Hall, syntax: Syntax) -> Vec<(String, String)> {
    let (zone, extension) = (zone(hall), syntax.extension());
    let mut files = vec![(format!("site/{zone}/hall.{extension}"), networks(hall, syntax))];
    files.extend(hall.racks.iter().map(|rack| {
        let name = rack_name(hall, rack);
        (
            format!("site/{zone}/{name}.{extension}"),
            inventory(hall, rack, syntax),
        )
    }));
    files.push((
        format!("deployments/{zone}.{extension}"),
        deployments(hall, syntax),
    ));
    files
}

fn networks(hall: &Hall, syntax: Syntax) -> String {
    let at = |offset| address(hall, offset);
    let (zone, number) = (zone(hall), (hall.index + 1).to_string());
    fill(
        syntax.of(HALL),
        &[
            ("zone", &zone),
            ("hall", &number),
            ("pxe", &at(0)),
            ("gateway", &at(1)),
            ("dns", &at(2)),
            ("ntp", &at(3)),
            ("reserved_end", &at(RESERVED_END)),
            ("dynamic_end", &at(DYNAMIC_END)),
            ("dynamic", &at(DYNAMIC)),
            ("mgmt", &at(MGMT)),
            ("storage", &at(STORAGE)),
        ],
    )
}

/// A rack with its machines.
fn inventory(hall: &Hall, rack: &Rack, syntax: Syntax) -> String {
    let (zone, name) = (zone(hall), rack_name(hall, rack));
    let index = u32::try_from(rack.index).unwrap_or_default();
    let mut text = fill(
        syntax.of(RACK),
        &[
            ("zone", &zone),
            ("rack", &name),
            ("switch", &address(hall, MGMT + 1 + index)),
            ("profile", rack.sort.profile()),
            ("pool", rack.sort.pool()),
        ],
    );
    let first = hall.racks.first().map_or(0, |rack| rack.machines.start);
    for (unit, number) in rack.machines.clone().enumerate() {
        let in_hall = u32::try_from(number - first).unwrap_or_default();
        let mac = |port: u64| mac(2 * number as u64 + port);
        text += &fill(
            syntax.of(MACHINE),
            &[
                ("machine", &machine_name(&name, unit)),
                ("serial", &format!("CZ26{number:06}")),
                ("position", &(unit + 1).to_string()),
                ("more", more(rack, unit, syntax)),
                ("bmc", &address(hall, MGMT + BMC + in_hall)),
                ("mac0", &mac(0)),
                ("mac1", &mac(1)),
                ("zone", &zone),
            ],
        );
    }
    text
}

fn machine_name(rack: &str, unit: usize) -> String {
    format!("{rack}-u{:02}", unit + 1)
}

/// The lowest machine of a rack of the fourth generation is a database's, in the first racks of a hall.
fn is_database(rack: &Rack, unit: usize) -> bool {
    rack.sort == Sort::Gen4 && rack.index < DATABASE_RACKS && unit == 0
}

/// The uppermost machine of a full rack is nobody's.
fn is_spare(unit: usize) -> bool {
    unit == 39
}

/// What is said of some machines beside what is said of all.
fn more(rack: &Rack, unit: usize, syntax: Syntax) -> &'static str {
    if is_database(rack, unit) {
        syntax.of([
            "\npool = \"database\"\nprotect = \"wipe\"",
            " pool=database protect=wipe",
        ])
    } else if is_spare(unit) {
        syntax.of(["\nreserve = \"spare parts\"", " reserve=\"spare parts\""])
    } else {
        ""
    }
}

/// A MAC address by its number.
fn mac(number: u64) -> String {
    let bytes = (MAC + number).to_be_bytes();
    let bytes: Vec<String> = bytes[2..].iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

/// Its deployments: of each sort of machine that it has, three quarters are wanted.
fn deployments(hall: &Hall, syntax: Syntax) -> String {
    let zone = zone(hall);
    let free = |sort: Sort| {
        let racks = hall.racks.iter().filter(|rack| rack.sort == sort);
        racks.fold(0, |sum, rack| {
            let units = 0..rack.machines.len();
            sum + units
                .filter(|unit| !is_database(rack, *unit) && !is_spare(*unit))
                .count()
        })
    };
    let counted = [(WEB, Sort::Gen4), (BATCH, Sort::Gen5), (OBJECTS, Sort::Dense)];
    let counted = counted
        .into_iter()
        .filter(|(_, sort)| free(*sort) > 0)
        .map(|(texts, sort)| {
            let count = (free(sort) * 3).div_ceil(4).to_string();
            fill(syntax.of(texts), &[("zone", &zone), ("count", &count)])
        });
    let databases = hall.racks.iter().filter(|rack| is_database(rack, 0));
    let names = databases.map(|rack| machine_name(&rack_name(hall, rack), 0));
    let names: Vec<String> = names
        .map(|name| syntax.of(["\"NAME\"", "NAME"]).replace("NAME", &name))
        .collect();
    let machines = names.join(syntax.of([", ", " "]));
    let named = fill(syntax.of(DATABASE), &[("zone", &zone), ("machines", &machines)]);
    counted.chain([named]).collect::<Vec<_>>().join("\n")
}
