//! How sessions end, and that the peer hears why.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_peer_that_closes_is_answered() {
    let stage = Stage::new();
    let mut peer = Peer::settled(&stage).await;
    peer.far.close(None).await.unwrap();
    while peer.far.next().await.is_some() {}
    peer.session.await.unwrap();
    assert_eq!(peer.admission.sockets(), 0);
}

#[tokio::test(start_paused = true)]
async fn frames_that_are_no_commands_end_the_session_by_their_code() {
    let stage = Stage::new();
    let mut binary = Peer::settled(&stage).await;
    binary.send(Message::Binary(Bytes::from_static(b"x"))).await;
    let (goodbye, code) = binary.end().await;
    assert_eq!((goodbye.unwrap()["code"].as_u64(), code), (Some(1003), 1003));

    let mut big = Peer::settled(&stage).await;
    big.send(Message::Text("x".repeat(crate::limits::MESSAGE_BYTES_MAX + 1).into())).await;
    let (goodbye, code) = big.end().await;
    assert_eq!((goodbye.unwrap()["reason"].as_str(), code), (Some("TOO_BIG"), 1009));

    let not_text = [0x81, 0x81, 0, 0, 0, 0, 0xFF];
    let unmasked = [0x81, 0x01, b'x'];
    let reserved = [0xC1, 0x81, 0, 0, 0, 0, b'x'];
    for (bytes, expected) in [(&not_text[..], 1007), (&unmasked[..], 1002), (&reserved[..], 1002)] {
        let mut peer = Peer::settled(&stage).await;
        peer.far.get_mut().write_all(bytes).await.unwrap();
        assert_eq!(peer.end().await, (None, expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_ends_the_session() {
    let stage = Stage::new();
    let mut peer = Peer::settled(&stage).await;
    for _ in 0..41 {
        peer.send(Message::Ping(Bytes::new())).await;
    }
    let (goodbye, code) = timeout(Duration::from_secs(5), async {
        let mut goodbye = None;
        loop {
            match peer.far.next().await.unwrap().unwrap() {
                Message::Close(frame) => break (goodbye, u16::from(frame.unwrap().code)),
                Message::Text(text) => goodbye = serde_json::from_str::<Value>(&text).ok(),
                Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await
    .unwrap();
    let goodbye = goodbye.unwrap();
    assert_eq!((&goodbye["reason"], code), (&"FLOOD".into(), 4002));
    assert!(goodbye["retry_after_ms"].as_u64().unwrap() >= 1_000);
}

#[tokio::test(start_paused = true)]
async fn fragments_without_end_are_a_flood_too() {
    let stage = Stage::new();
    let mut peer = Peer::settled(&stage).await;
    let far = peer.far.get_mut();
    far.write_all(&[0x01, 0x80, 0, 0, 0, 0]).await.unwrap();
    let fragments = [0x00, 0x80, 0, 0, 0, 0].repeat(1_000);
    for _ in 0..50 {
        far.write_all(&fragments).await.unwrap();
    }
    let (goodbye, code) = timeout(Duration::from_secs(5), peer.end()).await.expect("it goes on");
    assert_eq!((&goodbye.unwrap()["reason"], code), (&"FLOOD".into(), 4002));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_no_byte_is_let_go() {
    let mut stage = Stage::new();
    let peer = Peer::new(&stage, Encoding::Json, None).await;
    let started = Instant::now();
    while !peer.session.is_finished() {
        stage.change();
        sleep(Duration::from_millis(100)).await;
        assert!(started.elapsed() < Duration::from_secs(200));
    }
    // It took a few seconds until the pipe was full, and then the peer was waited for once more.
    assert!(started.elapsed() >= STALL_MAX, "{:?}", started.elapsed());
    assert_eq!(peer.admission.sockets(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_a_byte_now_and_then_stays() {
    let mut stage = Stage::new();
    let mut peer = Peer::new(&stage, Encoding::Json, None).await;
    for _ in 0..10 {
        for _ in 0..600 {
            stage.change();
            sleep(Duration::from_millis(100)).await;
        }
        assert!(!peer.session.is_finished());
        peer.far.get_mut().read_exact(&mut [0; 1_000]).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_pings_is_let_go() {
    let stage = Stage::new();
    let mut silent = Peer::settled(&stage).await;
    let mut lively = Peer::settled(&stage).await;
    let started = Instant::now();
    let lively = async {
        while started.elapsed() < PACE.heartbeat * 9 {
            stage.beat();
            let _ = timeout(Duration::from_secs(1), lively.message()).await;
        }
        lively.session.is_finished()
    };
    let silent = async {
        // Reads, but never answers.
        let mut bytes = Vec::new();
        silent.far.get_mut().read_to_end(&mut bytes).await.unwrap();
        (bytes, started.elapsed())
    };
    let (lively_ended, (bytes, elapsed)) = tokio::join!(lively, silent);
    assert!(!lively_ended);
    let close = [&[0x88, 8][..], &4001_u16.to_be_bytes(), b"SILENT"].concat();
    assert!(bytes.ends_with(&close));
    assert!(elapsed >= PACE.heartbeat * 6 - Duration::from_secs(1), "{elapsed:?}");
    assert!(elapsed < PACE.heartbeat * 7, "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn draining_spreads_the_goodbyes() {
    let stage = Stage::new();
    let mut peers = Vec::new();
    for _ in 0..40 {
        peers.push(Peer::settled(&stage).await);
    }
    stage.draining.cancel();
    let started = Instant::now();
    let ends = peers.into_iter().map(|peer| async move {
        let (goodbye, code) = peer.end().await;
        (goodbye.unwrap()["retry_after_ms"].as_u64().unwrap(), code, started.elapsed())
    });
    let ends = futures_util::future::join_all(ends).await;
    assert!(ends.iter().all(|(retry, code, _)| *code == 1012 && (100..5_000).contains(retry)));
    let times = || ends.iter().map(|(_, _, time)| *time);
    let spread = times().max().unwrap() - times().min().unwrap();
    assert!(spread > Duration::from_secs(2) && times().max().unwrap() < DRAIN / 2 + PACE.tick, "{spread:?}");
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_it_drains_leaves_too() {
    let stage = Stage::new();
    let _first = Peer::settled(&stage).await;
    stage.draining.cancel();
    sleep(PACE.tick * 4).await;
    let late = Peer::new(&stage, Encoding::Json, None).await;
    // As long as the room has nothing new, nothing else wakes it.
    let quiet = async {
        loop {
            stage.beat();
            sleep(Duration::from_secs(1)).await;
        }
    };
    select! {
        (_, code) = late.end() => assert_eq!(code, 1012),
        () = quiet => {}
        () = sleep(DRAIN) => panic!("still there"),
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_of_an_event_that_is_gone_end() {
    let stage = Stage::new();
    let peer = Peer::settled(&stage).await;
    stage.end();
    let (goodbye, code) = peer.end().await;
    assert_eq!(
        (goodbye.unwrap(), code),
        (serde_json::json!({ "type": "goodbye", "code": 4500, "reason": "EVENT_GONE" }), 4500)
    );
}
