//! `rowfeed explain`: the page of an error code.
//!
//! Owns reading `docs/errors.md`, which is part of the program. Promises a page for every code a [`Problem`] can carry
//! (`tests/tidy.rs` holds the two together). Leaves the words to that file.

use serde_json::json;

use super::form::{self, FormArgs};
use super::{Failure, terminal};
use crate::config::suggest;
use crate::problem::Problem;

const PAGES: &str = include_str!("../../docs/errors.md");

/// The explanation of one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// `area/name`.
    pub code: &'static str,
    /// The heading it stands under.
    pub part: &'static str,
    /// What it means, what to do, what is kept.
    pub text: &'static str,
}

/// All pages, in their order.
pub fn pages() -> Vec<Page> {
    let mut found = Vec::new();
    let mut part = "";
    for section in PAGES.split("\n## ").enumerate() {
        let (at, section) = section;
        // The next part's heading stands at the end of the page before it.
        let (own, next) = section.split_once("\n# ").map_or((section, None), |(own, next)| (own, Some(next)));
        if at > 0 {
            let (code, text) = own.split_once('\n').unwrap_or((own, ""));
            found.push(Page { code: code.trim(), part, text: text.trim() });
        }
        if let Some(next) = next {
            part = next.lines().next().unwrap_or("").trim();
        }
    }
    found
}

/// All codes, in their order.
pub fn codes() -> impl Iterator<Item = &'static str> {
    pages().into_iter().map(|page| page.code)
}

/// Prints the page of a code, or the list of all.
pub fn explain(code: Option<&str>, args: FormArgs) -> Result<(), Failure> {
    let pages = pages();
    let Some(code) = code else {
        if args.is_document() {
            let items: Vec<_> = pages.iter().map(|page| json!({ "code": page.code, "part": page.part })).collect();
            args.print("rowfeed/explain@1", json!({ "items": items }));
        } else {
            form::show(&list(&pages));
        }
        return Ok(());
    };
    // As it is copied from a message: error[pg/auth]
    let asked = code.trim().trim_start_matches("error").trim_matches(['[', ']', ':']);
    let page = pages.iter().find(|page| page.code.eq_ignore_ascii_case(asked)).ok_or_else(|| unknown(asked, &pages))?;
    if args.is_document() {
        args.print("rowfeed/explain@1", json!({ "code": page.code, "part": page.part, "text": page.text }));
    } else {
        println!("{}\n\n{}", terminal::bold(page.code), plain(page.text));
    }
    Ok(())
}

fn unknown(asked: &str, pages: &[Page]) -> Problem {
    let name = |code: &'static str| code.split_once('/').map_or(code, |(_, name)| name);
    let near = suggest::nearest(asked, pages.iter().map(|page| page.code));
    // Who remembers only half of it: wal-level.
    let half = || pages.iter().find(|page| suggest::nearest(asked, [name(page.code)]).is_some()).map(|page| page.code);
    let fix = match near.or_else(half) {
        Some(code) => format!("did you mean \"{code}\"?"),
        None => "rowfeed explain lists all codes".to_owned(),
    };
    Problem::refuse("explain/unknown", format!("there is no error code \"{asked}\"")).fix(fix)
}

fn list(pages: &[Page]) -> String {
    let mut out = String::new();
    let mut part = "";
    for page in pages {
        if page.part != part {
            part = page.part;
            out.push_str(&format!("{}{part}\n", if out.is_empty() { "" } else { "\n" }));
        }
        let first = page.text.split(['\n', '.', ':']).next().unwrap_or("");
        out.push_str(&format!("  {:<26} {first}\n", page.code));
    }
    out
}

/// Markdown as a terminal shows it: one line per paragraph, cut where it is wide, no stars.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let label = line.strip_prefix("**").and_then(|rest| rest.split_once(":**"));
        match label {
            Some((label, rest)) => out.push_str(&format!("\n{}{rest}", terminal::bold(&format!("{label}:")))),
            None => out.push_str(&format!("{}{line}", if out.is_empty() || line.is_empty() { "" } else { "\n" })),
        }
    }
    terminal::signs(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_says_what_it_means_what_to_do_and_what_is_kept() {
        let pages = pages();
        assert!(pages.len() > 100, "{}", pages.len());
        for page in &pages {
            let meaning = page.text.split("**Do:**").next().unwrap_or("").trim();
            let (does, keeps) = (page.text.contains("\n**Do:** "), page.text.contains("\n**Kept:** "));
            assert!(meaning.len() > 20 && does && keeps && !page.part.is_empty(), "{page:?}");
            assert!(!page.text.contains("\n#"), "{page:?}");
        }
        let mut codes: Vec<_> = pages.iter().map(|page| page.code).collect();
        codes.sort_unstable();
        assert!(codes.windows(2).all(|pair| pair[0] != pair[1]), "a code has two pages");
    }

    #[test]
    fn an_unknown_code_names_the_nearest() {
        let fix = |asked: &str| unknown(asked, &pages()).fix;
        assert_eq!(fix("pg/wal-levle"), "did you mean \"pg/wal-level\"?");
        assert_eq!(fix("wal-level"), "did you mean \"pg/wal-level\"?");
        assert_eq!(fix("what happened"), "rowfeed explain lists all codes");
    }
}
