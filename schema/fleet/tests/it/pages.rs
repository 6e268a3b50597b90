//! Every code has a page that says what it means and what to do, and every page has a code.

use schema_fleet::Code;
use std::path::Path;

#[test]
fn pages_and_codes_belong_together() {
    for code in Code::ALL {
        let page = code.page();
        assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        for part in ["\n## Example\n", "\n## What to do\n"] {
            assert!(page.contains(part), "{code}: {part:?}");
        }
        assert_eq!(Code::parse(code.as_str()), Some(*code));
    }
    let index = include_str!("../../../../docs/diagnostics/README.md");
    assert!(
        Code::ALL
            .iter()
            .all(|code| index.contains(&format!("({code}.md)")))
    );
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/diagnostics");
    for entry in std::fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let code = name.strip_suffix(".md").unwrap();
        assert!(
            code == "README" || Code::parse(code).is_some(),
            "{name} is about no code"
        );
    }
}
