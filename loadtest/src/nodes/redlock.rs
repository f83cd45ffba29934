//! Independent servers that vote: one of them carries an event's gate, and a majority knows since when.

use std::collections::HashMap;

use futures_util::future::join_all;
use redis::{ConnectionInfo, pipe};

use super::{Node, UNKNOWN};
use crate::error::Error;

/// What a server says of an event.
#[derive(Debug, Default)]
struct Said {
    /// The epoch of the gate that it has, unless it stands still.
    open: Option<u64>,
    /// The latest epoch that it votes for, and who carries the event in it.
    voted: Option<(u64, String)>,
}

/// The server that carries the event. A minority of the servers may be away.
pub(super) async fn carrier(all: &[ConnectionInfo], event: &str, keys: [String; 2]) -> Result<Node, Error> {
    let (mut nodes, mut said, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    for answer in join_all(all.iter().map(|info| ask(info, &keys))).await {
        match answer {
            Ok((node, told)) => {
                nodes.push(node);
                said.push(told);
            }
            Err(Error::GateServer { server, source }) => silent.push(format!("{server}: {source}")),
            Err(other) => return Err(other),
        }
    }
    // Less than a majority may all have slept through a takeover.
    if nodes.len() <= all.len() / 2 {
        return Err(Error::GateMinority { answer: nodes.len(), all: all.len(), silent: silent.join("; ") });
    }
    match choose(&said) {
        Ok(carrier) => Ok(nodes.swap_remove(carrier)),
        Err(why) if silent.is_empty() => Err(Error::cold(event, why)),
        Err(why) => Err(Error::cold(event, format!("{why}; no answer from {}", silent.join("; ")))),
    }
}

async fn ask(info: &ConnectionInfo, [vote, meta]: &[String; 2]) -> Result<(Node, Said), Error> {
    let node = Node::open(info).await?;
    let mut questions = pipe();
    questions.cmd("HGETALL").arg(vote);
    questions.cmd("HGETALL").arg(meta);
    let (mut vote, meta): (HashMap<String, String>, HashMap<String, String>) =
        node.ask_all(&questions).await?;
    let open = epoch(&meta).filter(|_| !meta.contains_key("frozen"));
    let voted = epoch(&vote).zip(vote.remove("carrier"));
    Ok((node, Said { open, voted }))
}

fn epoch(fields: &HashMap<String, String>) -> Option<u64> {
    fields.get("epoch")?.parse().ok()
}

/// Which of those who answer carries the event: who has the gate of the latest epoch that was voted for.
fn choose(said: &[Said]) -> Result<usize, String> {
    let gates = said.iter().enumerate().filter_map(|(node, said)| Some((said.open?, node)));
    let vote = said.iter().filter_map(|said| said.voted.as_ref()).max();
    match (gates.max(), vote) {
        (Some((epoch, node)), vote) if vote.is_none_or(|(voted, _)| *voted <= epoch) => Ok(node),
        (_, Some((epoch, carrier))) => {
            Err(format!("its carrier since epoch {epoch}, {carrier}, has not got an open gate of it here"))
        }
        (_, None) => Err(UNKNOWN.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(open: u64, voted: u64, carrier: &str) -> Said {
        let some = |epoch: u64| (epoch > 0).then_some(epoch);
        Said { open: some(open), voted: some(voted).map(|epoch| (epoch, carrier.into())) }
    }

    #[test]
    fn who_has_the_latest_gate_carries_the_event() {
        assert_eq!(choose(&[said(0, 1, "b"), said(1, 1, "b"), said(0, 0, "")]), Ok(1));
        // The first was out of reach when the third took over.
        assert_eq!(choose(&[said(1, 1, "a"), said(0, 2, "c"), said(2, 2, "c")]), Ok(2));
    }

    #[test]
    fn an_old_gate_is_not_the_event() {
        let error = choose(&[said(1, 1, "a"), said(0, 2, "c:3"), said(0, 0, "")]).unwrap_err();
        assert!(error.contains("epoch 2, c:3,"), "{error}");
        assert!(choose(&[said(0, 2, "b"), said(0, 2, "b")]).is_err(), "it stands still");
        assert_eq!(choose(&[said(0, 0, ""), said(0, 0, "")]), Err(UNKNOWN.into()));
    }
}
