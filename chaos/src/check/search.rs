//! Looks for an order of what happened to one seat which explains all that was seen of it, after Wing, Gong and Lowe: an
//! operation may come next if none of those left had to be over before it began.

use std::collections::HashSet;

use super::lives::{FOREVER, Us};

/// After so many steps the search gives up.
const NODES_MAX: usize = 50_000;

/// Something that happened to a seat at one moment of its window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    pub(super) from: Us,
    pub(super) until: Us,
    /// Else it may have happened.
    pub(super) is_sure: bool,
    pub(super) what: What,
}

/// What happened. A reservation is named by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Free becomes held.
    Grant(u32),
    /// Held becomes sold.
    Confirm(u32),
    /// Released, expired or void: held becomes free.
    End(u32),
    /// Sold becomes free.
    Cancel(u32),
    /// Somebody was told that the seat is held; it may be sold by then.
    SeenTaken,
    /// Somebody was told that the seat is sold.
    SeenSold,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    Free,
    Held(u32),
    Sold(u32),
}

impl State {
    /// The state after it; None where it can not happen.
    fn after(self, what: What) -> Option<Self> {
        match (self, what) {
            (Self::Free, What::Grant(by)) => Some(Self::Held(by)),
            (Self::Held(by), What::Confirm(who)) if by == who => Some(Self::Sold(by)),
            (Self::Held(by), What::End(who)) | (Self::Sold(by), What::Cancel(who)) if by == who => {
                Some(Self::Free)
            }
            (Self::Held(_) | Self::Sold(_), What::SeenTaken) | (Self::Sold(_), What::SeenSold) => Some(self),
            _ => None,
        }
    }
}

/// What came of a search.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Order,
    /// None. However one begins, at the latest this one (its place in the list) does not fit.
    Stuck {
        op: usize,
        state: State,
    },
    Undecided,
}

/// A place in the search.
#[derive(Clone)]
struct Node {
    done: Vec<u64>,
    count: usize,
    state: State,
    /// All before these, in the order of beginnings and of ends, are done.
    begin: usize,
    end: usize,
}

impl Node {
    fn is_done(&self, op: usize) -> bool {
        self.done[op / 64] >> (op % 64) & 1 == 1
    }

    fn does(&mut self, op: usize, state: State) {
        self.done[op / 64] |= 1 << (op % 64);
        self.count += 1;
        self.state = state;
    }
}

/// Searches. Sorts the operations by their beginnings.
pub(super) fn search(ops: &mut [Op]) -> Found {
    ops.sort_unstable_by_key(|op| (op.from, op.until));
    let mut by_end: Vec<usize> = (0..ops.len()).filter(|op| ops[*op].is_sure).collect();
    by_end.sort_by_key(|op| ops[*op].until);
    let mut seen = HashSet::new();
    let done = vec![0; ops.len().div_ceil(64)];
    let mut open = vec![Node { done, count: 0, state: State::Free, begin: 0, end: 0 }];
    let mut stuck = (0, Found::Order);
    while let Some(mut node) = open.pop() {
        let Some(first) = settle(&mut node, ops, &by_end) else { return Found::Order };
        if !seen.insert((node.done.clone(), node.state)) {
            continue;
        }
        if seen.len() > NODES_MAX {
            return Found::Undecided;
        }
        if node.count >= stuck.0 {
            stuck = (node.count, Found::Stuck { op: first, state: node.state });
        }
        let bound = ops[first].until;
        // The last one pushed is tried first: what began first.
        let from = open.len();
        for (op, next) in candidates(&node, ops, bound) {
            let mut child = node.clone();
            child.does(op, next);
            open.push(child);
        }
        open[from..].reverse();
    }
    stuck.1
}

/// Places each look that fits: it changes nothing, so that sooner is never worse. The sure operation that has to be over
/// first; None: all that is sure is done.
fn settle(node: &mut Node, ops: &[Op], by_end: &[usize]) -> Option<usize> {
    loop {
        while by_end.get(node.end).is_some_and(|op| node.is_done(*op)) {
            node.end += 1;
        }
        while node.begin < ops.len() && node.is_done(node.begin) {
            node.begin += 1;
        }
        let first = *by_end.get(node.end)?;
        let fits = candidates(node, ops, ops[first].until)
            .find(|(op, _)| matches!(ops[*op].what, What::SeenTaken | What::SeenSold));
        let Some((op, state)) = fits else { return Some(first) };
        node.does(op, state);
    }
}

/// What may come next, if all that is left ends at `bound` or later.
fn candidates(node: &Node, ops: &[Op], bound: Us) -> impl Iterator<Item = (usize, State)> {
    let open = (node.begin..ops.len()).take_while(move |op| ops[*op].from <= bound);
    let left = open.filter(|op| !node.is_done(*op));
    left.filter_map(|op| Some((op, node.state.after(ops[op].what)?)))
}

/// An operation that surely happened.
pub(super) fn sure(what: What, from: Us, until: Us) -> Op {
    Op { from, until: until.max(from), is_sure: true, what }
}

/// An operation that may have happened, at any time after it could.
pub(super) fn perhaps(what: What, from: Us) -> Op {
    Op { from, until: FOREVER, is_sure: false, what }
}
