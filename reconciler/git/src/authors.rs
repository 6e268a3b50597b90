//! Who wrote new commits, as far as their addresses and signatures tell: they do not agree with themselves.
//!
//! An address is what its author says it is. A signature is not: so where commits must be signed, each that is written has
//! somebody who answers for it, by whatever address of theirs.

use crate::allowed_signers::AllowedSigners;
use crate::history::NewCommit;
use crate::signature::{Signer, Window, verify};
use std::collections::{BTreeMap, BTreeSet};

/// By what it is known who signed.
#[derive(Debug, Clone, Copy)]
pub struct Signatures<'s> {
    /// Those who may sign.
    pub signers: &'s AllowedSigners,
    /// When the commits can have been made.
    pub window: Window,
}

impl Signatures<'_> {
    fn signer(&self, commit: &NewCommit) -> Option<Signer> {
        verify(&[self.signers], &commit.signed(self.window)?).ok()
    }
}

/// The addresses of those who wrote or committed something of these. Where commits must be signed, so did who signed, which
/// may be each of the `people` that a line of their key means.
///
/// A merge that adds nothing is nobody's writing, unless it brings what nobody who may has signed: who signs the merge
/// answers for that.
pub fn authors<'p>(
    commits: &[NewCommit],
    signatures: Option<Signatures<'_>>,
    people: impl IntoIterator<Item = &'p str>,
) -> BTreeSet<String> {
    let signers: Option<Vec<_>> = signatures.map(|signatures| {
        let signers = commits.iter().map(|commit| signatures.signer(commit));
        signers.collect()
    });
    let answered_for = |at: usize| match &signers {
        None => true,
        Some(signers) => brought(commits, at).all(|at| signers[at].is_some()),
    };
    let wrote = |at: &usize| !(commits[*at].adds_nothing && answered_for(*at));
    let wrote: Vec<_> = (0..commits.len()).filter(wrote).collect();
    let signed = signers.iter().flat_map(|signers| {
        let signed = wrote.iter().filter_map(|at| signers[*at].as_ref());
        signed.map(|signer| (&signer.fingerprint, signer))
    });
    let signed: BTreeMap<_, _> = signed.collect();
    let may_have = |person: &&str| signed.values().any(|signer| signer.may_be(person));
    let people = people.into_iter().filter(may_have).map(str::to_owned);
    let written = wrote.iter().map(|at| &commits[*at]);
    written
        .flat_map(|commit| [commit.author.clone(), commit.committer.clone()])
        .chain(people)
        .collect()
}

/// Where the commits stand that a merge brings: those that lead to it, and not to what it was merged into.
fn brought(commits: &[NewCommit], merge: usize) -> impl Iterator<Item = usize> {
    let parents = &commits[merge].parents;
    let (own, theirs) = parents.split_at(parents.len().min(1));
    let leads = leading_to(commits, theirs)
        .into_iter()
        .zip(leading_to(commits, own));
    let of_theirs = leads.enumerate().filter(|(_, (theirs, own))| *theirs && !own);
    of_theirs.map(|(at, _)| at)
}

/// Of each of the commits, whether it is one of these or comes before one.
fn leading_to(commits: &[NewCommit], heads: &[Option<usize>]) -> Vec<bool> {
    let mut leads = vec![false; commits.len()];
    let mut left: Vec<usize> = heads.iter().flatten().copied().collect();
    while let Some(at) = left.pop() {
        if !std::mem::replace(&mut leads[at], true) {
            left.extend(commits[at].parents.iter().flatten());
        }
    }
    leads
}
