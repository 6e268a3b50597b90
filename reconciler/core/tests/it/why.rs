//! What `muster why` says of a machine, case by case: `tests/cases/why/*.toml`, in the scripts of
//! [`decide`](crate::decide).

use crate::decide::{Case, Stage};

#[test]
fn cases() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("../cases/why");
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::glob!("../cases/why", "*.toml", |path| {
            let case: Case = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            let mut stage = Stage::new(&case);
            stage.settle();
            for line in &case.script {
                stage.play(line);
            }
            let why = stage.why();
            assert!(!why.contains(|character: char| character.is_control() && character != '\n'));
            insta::assert_snapshot!("why", why);
        });
    });
}
