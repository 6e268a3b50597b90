//! The questions that `muster init` asks a person at a terminal; Enter takes what stands in brackets.

use super::Answers;

use crate::exit::Failure;
use clap::ValueEnum;
use std::io::{BufRead, Write};

/// Asks for all that no flag said.
pub(super) fn ask(mut input: impl BufRead, mut output: impl Write) -> Result<Answers, Failure> {
    let defaults = Answers::default();
    let name = question(
        &mut input,
        &mut output,
        "What is the fleet called?",
        defaults.name.as_str(),
        |text| {
            text.parse()
                .map_err(|error: schema_ids::ParseError| error.to_string())
        },
    )?;
    let format = choice(&mut input, &mut output, "Which syntax?", defaults.format)?;
    let ci = choice(
        &mut input,
        &mut output,
        "Which forge checks pull requests?",
        defaults.ci,
    )?;
    let owners = question(
        &mut input,
        &mut output,
        "Who must agree to changes, such as @platform-team?",
        "nobody",
        |text| Ok(Some(text.to_owned()).filter(|text| text != "nobody")),
    )?;
    let hook = question(
        &mut input,
        &mut output,
        "A git hook that refuses a wrong fleet?",
        "yes",
        |text| match text {
            "yes" | "y" => Ok(true),
            "no" | "n" => Ok(false),
            _ => Err("yes or no?".to_owned()),
        },
    )?;
    Ok(Answers {
        name,
        format,
        ci,
        owners,
        hook,
    })
}

/// One of the words of an option.
fn choice<T: ValueEnum>(
    input: &mut impl BufRead,
    output: &mut impl Write,
    asked: &str,
    default: T,
) -> Result<T, Failure> {
    let word = |value: &T| {
        value
            .to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    };
    let words: Vec<String> = T::value_variants().iter().map(word).collect();
    let asked = format!("{asked} {}", words.join(", "));
    question(input, output, &asked, &word(&default), |text| {
        T::from_str(text, true).map_err(|_| format!("it is one of {}", words.join(", ")))
    })
}

/// Asks until the answer can be read.
fn question<T>(
    input: &mut impl BufRead,
    output: &mut impl Write,
    asked: &str,
    default: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Failure> {
    let failed = |error: std::io::Error| Failure::Other(format!("cannot ask: {error}"));
    loop {
        write!(output, "{asked} [{default}] ")
            .and_then(|()| output.flush())
            .map_err(failed)?;
        let mut line = String::new();
        if input.read_line(&mut line).map_err(failed)? == 0 {
            return Err(Failure::Other(
                "the answers ended, and nothing was written; `--yes` asks nothing".to_owned(),
            ));
        }
        let text = match line.trim() {
            "" => default,
            text => text,
        };
        match read(text) {
            Ok(value) => return Ok(value),
            Err(why) => writeln!(output, "  {why}").map_err(failed)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ask;
    use crate::arguments::{Forge, Syntax};

    fn asked(answers: &str) -> (Result<super::Answers, String>, String) {
        let mut said = Vec::new();
        let answers = ask(answers.as_bytes(), &mut said).map_err(|error| error.to_string());
        (answers, String::from_utf8(said).expect("text"))
    }

    #[test]
    fn enter_takes_what_is_offered() {
        let (answers, _) = asked("\n\n\n\n\n");
        let answers = answers.expect("answers");
        assert_eq!(answers.name.as_str(), "lab");
        assert_eq!((answers.format, answers.ci), (Syntax::Toml, Forge::None));
        assert_eq!((answers.owners, answers.hook), (None, true));
    }

    #[test]
    fn a_wrong_answer_is_asked_again() {
        let (answers, said) = asked("My Fleet\nams\nyaml\nkdl\nGitHub\n@me\nperhaps\nno\n");
        let answers = answers.expect("answers");
        assert_eq!(answers.name.as_str(), "ams");
        assert_eq!((answers.format, answers.ci), (Syntax::Kdl, Forge::Github));
        assert_eq!((answers.owners.as_deref(), answers.hook), (Some("@me"), false));
        assert!(
            said.contains("it is one of toml, kdl") && said.contains("yes or no?"),
            "{said}"
        );
    }

    #[test]
    fn no_answer_writes_nothing() {
        let (answers, _) = asked("ams\n");
        assert!(answers.expect_err("no answers").contains("--yes"));
    }
}
