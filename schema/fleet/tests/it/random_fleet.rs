//! Random fleet files over the table of kinds, laid out as nobody would, with comments wherever they may stand.
//!
//! What is written follows from a run of bytes, so that a failing case shrinks to a small file. Fields are those of
//! the table: a new one is written here without more work.

use schema_fleet::{FieldRow, Shape, kinds};
use std::fmt::Write;

/// Objects of one file at most.
const OBJECTS_MAX: usize = 4;

/// A source of decisions that always answers: 0 when it has run dry.
pub(crate) struct Choices<'b> {
    bytes: std::slice::Iter<'b, u8>,
    comments: usize,
    out: String,
}

impl<'b> Choices<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self {
            bytes: bytes.iter(),
            comments: 0,
            out: String::new(),
        }
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % count.max(1)
    }

    /// Whether one of so many cases is met; never once there are no more bytes.
    fn rarely(&mut self, of: usize) -> bool {
        self.below(of) == of - 1
    }

    fn comment(&mut self) -> String {
        self.comments += 1;
        let shape = ["c", "c \"quoted\" é", "c = [ {", "c /- // #"][self.below(4)];
        format!(" {}{shape}", self.comments)
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Perhaps comments on their own lines, perhaps with blank lines around them.
    fn own_lines(&mut self, indent: &str, sign: &str) {
        if self.rarely(7) {
            self.push("\n");
        }
        while self.rarely(5) {
            let text = self.comment();
            writeln!(self.out, "{indent}{sign}{text}").unwrap();
            if self.rarely(4) {
                self.push("\n");
            }
        }
    }

    /// Perhaps a comment at the end of the line, and its end.
    fn end_line(&mut self, sign: &str) {
        if self.rarely(5) {
            let text = self.comment();
            write!(self.out, " {sign}{text}").unwrap();
        }
        self.push("\n");
    }

    fn name(&mut self) -> &'static str {
        ["a", "b-1", "node-01", "os", "1x", "r1.7", "true"][self.below(7)]
    }

    fn text(&mut self) -> &'static str {
        [
            "text",
            "",
            "two words",
            "a \"quoted\" \\ text",
            "it's \"#\" \u{1f} \u{2028}\u{202e} é",
            "line one\n  line \"\"\"two\n \n\tlast\\",
            "10.0.0.1/24",
            "a text that is long enough to make sure that not much else has room on the line it is on",
        ][self.below(8)]
    }

    /// Fields of a table, in any order, each once.
    fn fields(&mut self, fields: &'static [FieldRow]) -> Vec<(&'static str, Option<&'static Shape>)> {
        let mut chosen = Vec::new();
        for field in fields {
            if self.below(3) == 1 {
                let at = self.below(chosen.len() + 1);
                chosen.insert(at, (field.key, Some(field.shape)));
            }
        }
        if self.rarely(6) {
            chosen.push((["x-free", "annotations", "unknown"][self.below(3)], None));
        }
        chosen
    }

    /// Different names, as keys.
    fn names(&mut self) -> Vec<&'static str> {
        let mut names: Vec<_> = (0..=self.below(3)).map(|_| self.name()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A single value, and whether it is a text.
enum One {
    Text(String),
    Other(&'static str),
}

fn one(shape: &Shape, c: &mut Choices<'_>) -> One {
    match shape {
        Shape::Bool => One::Other(["true", "false"][c.below(2)]),
        Shape::Integer { .. } => One::Other(["0", "7", "42", "1000"][c.below(4)]),
        Shape::Text { what: "a name", .. } | Shape::Reference(_) => One::Text(c.name().to_owned()),
        Shape::Text { what: "a string", .. } => One::Text(c.text().to_owned()),
        Shape::Text { example, .. } => One::Text((*example).to_owned()),
        Shape::Words(words) => One::Text(words[c.below(words.len())].word.to_owned()),
        _ => One::Text(c.text().to_owned()),
    }
}

fn quoted_toml(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

fn quoted_kdl(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        '\n' => "\\n".to_owned(),
        ' '..='~' | 'é' => c.to_string(),
        c => format!("\\u{{{:x}}}", u32::from(c)),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

fn is_scalar(shape: &Shape) -> bool {
    !matches!(shape, Shape::Table(_) | Shape::Map(_) | Shape::List(_))
}

/// A whole file of TOML.
pub(crate) fn toml(bytes: &[u8]) -> String {
    let mut c = Choices::new(bytes);
    c.own_lines("", "#");
    for number in 0..=c.below(OBJECTS_MAX) {
        let row = kinds()[c.below(kinds().len())];
        let path = if c.rarely(9) && !row.name.contains('.') && row.name != "fleet" {
            // Twice the same header is no TOML.
            match c.out.contains(&format!("[defaults.{}", row.name)) {
                true => continue,
                false => format!("defaults.{}", row.name),
            }
        } else {
            format!("{}.o{number}", row.name)
        };
        c.own_lines("", "#");
        write!(c.out, "[{path}]").unwrap();
        c.end_line("#");
        toml_body(&mut c, row.fields, &path);
    }
    c.own_lines("", "#");
    c.out
}

fn toml_body(c: &mut Choices<'_>, fields: &'static [FieldRow], path: &str) {
    let mut behind = Vec::new();
    for (key, shape) in c.fields(fields) {
        let deep = !shape.is_some_and(is_scalar);
        if deep && c.rarely(2) {
            behind.push((key, shape));
            continue;
        }
        c.own_lines("", "#");
        match shape {
            Some(Shape::Map(inner)) if c.rarely(2) => {
                for name in c.names() {
                    let value = toml_value(c, Some(inner), false);
                    write!(c.out, "{key}.\"{name}\" = {value}").unwrap();
                    c.end_line("#");
                    c.own_lines("", "#");
                }
            }
            Some(Shape::Table(inner)) if c.rarely(2) => {
                for (sub, shape) in c.fields(inner) {
                    let value = toml_value(c, shape, true);
                    write!(c.out, "{key}.{sub} = {value}").unwrap();
                    c.end_line("#");
                    c.own_lines("", "#");
                }
            }
            shape => {
                let value = toml_value(c, shape, true);
                write!(c.out, "{key} = {value}").unwrap();
                c.end_line("#");
            }
        }
    }
    for (key, shape) in behind {
        toml_headers(c, key, shape, &format!("{path}.{key}"));
    }
}

/// What stands under headers of its own.
fn toml_headers(c: &mut Choices<'_>, key: &str, shape: Option<&'static Shape>, path: &str) {
    let mut headers = Vec::new();
    match shape {
        Some(Shape::Table(fields)) => headers.push((format!("[{path}]"), *fields, path.to_owned())),
        Some(Shape::Map(Shape::Table(fields))) => {
            for name in c.names() {
                let path = format!("{path}.\"{name}\"");
                headers.push((format!("[{path}]"), *fields, path));
            }
        }
        Some(Shape::List(Shape::Table(fields))) => {
            for _ in 0..=c.below(3) {
                headers.push((format!("[[{path}]]"), *fields, path.to_owned()));
            }
        }
        // Of scalars: there is no header for that, and the table it was in is over.
        _ if key.starts_with("x-") => headers.push((format!("[{path}]"), &[], path.to_owned())),
        _ => {}
    }
    for (header, fields, path) in headers {
        c.own_lines("", "#");
        c.push(&header);
        c.end_line("#");
        toml_body(c, fields, &path);
    }
}

/// A value; with lines and comments in it where brackets allow for them.
fn toml_value(c: &mut Choices<'_>, shape: Option<&'static Shape>, lines: bool) -> String {
    match shape {
        None => [
            "1_000",
            "-1.50",
            "inf",
            "[]",
            "[1, [2, 3], { a = 1 }]",
            "{}",
            "{ a = { b = [{ c = \"d\" }] }, e = [\"f\"] }",
            "\"\"\"a\nb\"\"\"",
            "{ \"-\" = [1], a = 2 }",
        ][c.below(9)]
        .to_owned(),
        Some(Shape::Table(fields)) => toml_inline(c, fields),
        Some(Shape::Map(inner)) => {
            let names = c.names().into_iter();
            let pairs: Vec<_> = names
                .map(|name| format!("\"{name}\" = {}", toml_value(c, Some(inner), false)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Some(Shape::List(inner)) => toml_list(c, inner, lines),
        Some(shape) => match one(shape, c) {
            One::Text(text) => quoted_toml(&text),
            One::Other(word) => word.to_owned(),
        },
    }
}

fn toml_inline(c: &mut Choices<'_>, fields: &'static [FieldRow]) -> String {
    let pairs: Vec<_> = c
        .fields(fields)
        .into_iter()
        .map(|(key, shape)| format!("{key} = {}", toml_value(c, shape, false)))
        .collect();
    match pairs.is_empty() {
        true => "{}".to_owned(),
        false => format!("{{ {} }}", pairs.join(", ")),
    }
}

fn toml_list(c: &mut Choices<'_>, inner: &'static Shape, lines: bool) -> String {
    // No list of tables is empty: KDL could not say it.
    let least = usize::from(!is_scalar(inner));
    let count = c.below(4).max(least);
    let items: Vec<_> = (0..count).map(|_| toml_value(c, Some(inner), false)).collect();
    if !lines || c.rarely(2) {
        return format!("[{}]", items.join(", "));
    }
    let around = std::mem::take(&mut c.out);
    c.push("[");
    c.end_line("#");
    for item in items {
        c.own_lines("  ", "#");
        write!(c.out, "  {item},").unwrap();
        c.end_line("#");
    }
    c.own_lines("  ", "#");
    c.push("]");
    std::mem::replace(&mut c.out, around)
}

/// A whole file of KDL.
pub(crate) fn kdl(bytes: &[u8]) -> String {
    let mut c = Choices::new(bytes);
    c.own_lines("", "//");
    for number in 0..=c.below(OBJECTS_MAX) {
        let row = kinds()[c.below(kinds().len())];
        c.own_lines("", "//");
        if c.rarely(8) {
            let text = c.comment();
            writeln!(c.out, "/*{text}\n  more */").unwrap();
        }
        let words = format!("{} o{number}", row.name.replace('.', " "));
        kdl_table(&mut c, &words, row.fields, "");
    }
    c.own_lines("", "//");
    c.out
}

fn kdl_table(c: &mut Choices<'_>, words: &str, fields: &'static [FieldRow], indent: &str) {
    write!(c.out, "{indent}{words}").unwrap();
    let mut children = Vec::new();
    for (key, shape) in c.fields(fields) {
        match shape {
            Some(shape) if is_scalar(shape) && c.rarely(2) => {
                let value = kdl_scalar(c, shape);
                write!(c.out, " {key}={value}").unwrap();
                if c.rarely(9) {
                    let text = c.comment();
                    write!(c.out, " /*{} */", text.replace('/', "|")).unwrap();
                }
            }
            shape => children.push((key, shape)),
        }
    }
    if children.is_empty() && !c.rarely(6) {
        c.end_line("//");
        return;
    }
    c.push(" {");
    c.end_line("//");
    let inner = format!("{indent}  ");
    for (key, shape) in children {
        c.own_lines(&inner, "//");
        if c.rarely(8) {
            c.comments += 1;
            let number = c.comments;
            writeln!(c.out, "{inner}/- gone {number} \"}}\" {{ // {{\n  }}").unwrap();
        }
        kdl_child(c, key, shape, &inner);
    }
    c.own_lines(&inner, "//");
    write!(c.out, "{indent}}}").unwrap();
    c.end_line("//");
}

fn kdl_child(c: &mut Choices<'_>, key: &str, shape: Option<&'static Shape>, indent: &str) {
    match shape {
        Some(Shape::Table(fields)) => kdl_table(c, key, fields, indent),
        Some(Shape::Map(inner)) => {
            for name in c.names() {
                c.own_lines(indent, "//");
                kdl_child(c, &format!("{key} \"{name}\""), Some(inner), indent);
            }
        }
        Some(Shape::List(inner @ Shape::Table(_))) => {
            for _ in 0..=c.below(3) {
                c.own_lines(indent, "//");
                kdl_child(c, key, Some(inner), indent);
            }
        }
        Some(Shape::List(inner)) => {
            let items: Vec<_> = (0..c.below(4)).map(|_| kdl_scalar(c, inner)).collect();
            if items.is_empty() || c.rarely(2) {
                write!(c.out, "{indent}{key} {}", items.join(" ")).unwrap();
                c.end_line("//");
                return;
            }
            writeln!(c.out, "{indent}{key} {{").unwrap();
            for item in items {
                c.own_lines(indent, "//");
                write!(c.out, "{indent}- {item}").unwrap();
                c.end_line("//");
            }
            c.own_lines(indent, "//");
            write!(c.out, "{indent}}}").unwrap();
            c.end_line("//");
        }
        Some(shape) => {
            let value = kdl_scalar(c, shape);
            write!(c.out, "{indent}{key} {value}").unwrap();
            c.end_line("//");
        }
        None => {
            let value = [
                " 1_000",
                " -1.50",
                "",
                " {}",
                " 1 2 3",
                " a b=1 { c 2; - d; }",
                " { - 1; - a=1 { b 2; }; - { - x; } }",
                " { a 1; a 2; }",
                " #\"raw \\\"#",
            ][c.below(9)];
            write!(c.out, "{indent}{key}{value}").unwrap();
            c.end_line("//");
        }
    }
}

fn kdl_scalar(c: &mut Choices<'_>, shape: &Shape) -> String {
    match one(shape, c) {
        One::Text(text) => quoted_kdl(&text),
        One::Other(word @ ("true" | "false")) => format!("#{word}"),
        One::Other(word) => word.to_owned(),
    }
}
