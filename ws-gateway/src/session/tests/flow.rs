//! Frames at their time, and readers that take their own.

use tokio::time::sleep;

use super::*;

const TICK: Duration = PACE.tick;

#[tokio::test(start_paused = true)]
async fn hello_comes_first_then_what_there_is() {
    let stage = Stage::new();
    stage.beat();
    let mut peer = Peer::new(&stage, Encoding::Json, None).await;
    let hello = peer.json().await;
    assert_eq!(hello, serde_json::json!({ "type": "hello", "event_id": "theatre", "heartbeat_ms": 15_000 }));
    let snapshot = peer.json().await;
    assert_eq!(snapshot["states"].as_str().unwrap(), "0".repeat(64));
    let heartbeat = peer.json().await;
    assert_eq!(shared(&heartbeat), Shared::Heartbeat(stage.heartbeat()));
}

#[tokio::test(start_paused = true)]
async fn both_encodings_say_the_same() {
    let mut stage = Stage::new();
    for _ in 0..200 {
        stage.change();
    }
    stage.beat();
    sleep(TICK * 4).await;
    let mut json = Peer::new(&stage, Encoding::Json, None).await;
    let mut bin = Peer::new(&stage, Encoding::Bin, None).await;
    assert_eq!(json.json().await, bin.json().await);
    for round in 0..40 {
        let Message::Binary(payload) = bin.message().await else { panic!("not binary") };
        let bin: ticketengine::v1::WatchSeatsResponse = prost::Message::decode(payload).unwrap();
        assert_eq!(Some(shared(&json.json().await)), bin.message);
        if round > 0 {
            stage.change();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_change_comes_at_once_and_then_one_frame_a_tick() {
    let mut stage = Stage::new();
    let mut peer = Peer::settled(&stage).await;
    sleep(TICK * 4).await;

    let started = Instant::now();
    stage.change();
    assert_eq!(peer.json().await["version"], 1);
    assert_eq!(started.elapsed(), Duration::ZERO);
    for _ in 0..10 {
        sleep(TICK / 5 + Duration::from_millis(1)).await;
        stage.change();
    }
    for (after, version) in [(1, 5), (5, 10), (10, 11)] {
        let changes = peer.json().await;
        assert_eq!((&changes["after_version"], &changes["version"]), (&after.into(), &version.into()));
    }
    assert_eq!(started.elapsed(), TICK * 3);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_gets_what_it_lacks() {
    let mut stage = Stage::new();
    for _ in 0..5 {
        stage.change();
        sleep(TICK).await;
    }
    let mut peer = Peer::new(&stage, Encoding::Json, Some(Position { epoch: 1, version: 3 })).await;
    assert_eq!(peer.json().await["type"], "hello");
    let changes = peer.json().await;
    assert_eq!((&changes["after_version"], &changes["version"]), (&3.into(), &5.into()));
    assert_eq!(peer.json().await["type"], "heartbeat");
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_stops_costs_nothing_and_catches_up_at_once() {
    let mut stage = Stage::new();
    let mut peer = Peer::new(&stage, Encoding::Json, None).await;
    let mut other = Peer::settled(&stage).await;
    assert_eq!(peer.json().await["type"], "hello");
    assert_eq!(peer.take().await, "snapshot");
    let mut frames = 0;
    for _ in 0..10_000 {
        stage.change();
        sleep(Duration::from_millis(6)).await;
        while let Ok(json) = timeout(Duration::ZERO, other.json()).await {
            frames += u32::from(json["type"] == "changes");
        }
    }
    // The other one had a frame a tick: nobody waited for the one that does not read.
    assert!((1_100..=1_250).contains(&frames), "{frames}");
    sleep(TICK * 2).await;

    // What the pipe could hold and one frame in the making are old; one more brings all the rest.
    let held = BUFFER_BYTES / 60;
    let mut got = 0;
    while peer.client.board.as_ref().is_none_or(|board| board.position() != stage.truth.position()) {
        peer.take().await;
        got += 1;
    }
    assert!(got <= held + 3, "{got} frames");
    assert_eq!(peer.client.board.as_ref().unwrap().states(), stage.truth.states());
}

#[tokio::test(start_paused = true)]
async fn a_board_that_is_cut_off_is_told_as_stale_and_then_as_fresh() {
    let stage = Stage::new();
    stage.beat();
    let started = Instant::now();
    let mut peer = Peer::settled(&stage).await;
    let stale = peer.json().await;
    assert_eq!((&stale["type"], &stale["stale"]), (&"heartbeat".into(), &true.into()));
    assert_eq!(stale["as_of_ms"], 1_764_000_000_005_u64);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    sleep(Duration::from_secs(1)).await;
    stage.beat();
    let fresh = peer.json().await;
    assert_eq!((&fresh["type"], &fresh["stale"]), (&"heartbeat".into(), &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn without_a_board_a_session_says_that_it_waits() {
    let stage = Stage::without_board();
    let mut peer = Peer::new(&stage, Encoding::Json, None).await;
    assert_eq!(peer.json().await["type"], "hello");
    let stale = peer.json().await;
    assert_eq!((&stale["version"], &stale["stale"]), (&0.into(), &true.into()));
    stage.tell(Shared::Snapshot(stage.truth.snapshot()));
    stage.beat();
    assert_eq!(peer.take().await, "snapshot");
    assert_eq!(peer.take().await, "heartbeat");
    assert!(!peer.client.stale);
}

#[tokio::test(start_paused = true)]
async fn commands_that_come_together_are_all_answered_at_once() {
    let stage = Stage::new();
    let mut peer = Peer::settled(&stage).await;
    let started = Instant::now();
    for id in ["c1", "c2", "c3"] {
        let command = serde_json::json!({ "op": "authenticate", "id": id, "token": "none" });
        peer.send(Message::Text(command.to_string().into())).await;
    }
    for id in ["c1", "c2", "c3"] {
        assert_eq!(peer.json().await["id"], id);
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_session_that_closes() {
    let mut stage = Stage::new();
    let (mut closing, mut peer) = (Peer::settled(&stage).await, Peer::settled(&stage).await);
    sleep(TICK * 4).await;
    // It hears goodbye, and never closes its side.
    closing.send(Message::Binary(Bytes::from_static(b"x"))).await;
    sleep(TICK).await;
    let started = Instant::now();
    for version in 1..=10 {
        stage.change();
        assert_eq!(peer.json().await["version"], version);
    }
    assert_eq!(started.elapsed(), TICK * 9);
    assert!(!closing.session.is_finished());
}
